#include "cli/instances.h"

#include <absl/strings/escaping.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "cli/json_problem.h"
#include "runtime/storage/file_system.h"
#include "runtime/storage/input_stream.h"

namespace dime::cli {
namespace {

using Json = nlohmann::json;

constexpr char kBinaryKey[] = "b64";

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 33;
  constexpr std::uint64_t kMaxDecompressedBytes = std::uint64_t{1} << 30;
  if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(path));
  DIME_ASSIGN_OR_RETURN(const auto stream, storage::OpenInputStream(*fs, path));
  return storage::ReadToEnd(*stream, path,
                            stream->is_compressed() ? kMaxDecompressedBytes : kMaxBytes);
}

enum class Kind { kFeatures, kCsv, kExample };

struct Instance {
  Kind kind = Kind::kFeatures;
  std::string text;  // The JSON object, the CSV line, or the serialised tf.Example.
};

bool IsBinary(const Json& value) { return value.is_object() && value.contains(kBinaryKey); }

absl::StatusOr<Instance> DecodeExample(const Json& binary, std::size_t line_number) {
  const Json& base64 = binary[kBinaryKey];
  Instance instance{.kind = Kind::kExample, .text = {}};
  if (binary.size() == 1 && base64.is_string()) {
    const auto& text = base64.get_ref<const std::string&>();
    if (absl::Base64Unescape(absl::string_view(text.data(), text.size()), &instance.text)) {
      return instance;
    }
  }
  return base::OutOfRange("instance {}: \"{}\" has to hold base64 text, and stand alone",
                          line_number, kBinaryKey);
}

// {"instances": [{...}, ...]}, which the online service takes.
bool IsRequest(const Json& json) {
  if (!json.is_object() || json.size() != 1 || !json.contains("instances")) return false;
  const Json& instances = json["instances"];
  return instances.is_array() && (instances.empty() || instances[0].is_object());
}

absl::StatusOr<Instance> ParseInstance(const std::string& line, std::size_t line_number) {
  if (const std::string problem = FindJsonProblem(line); !problem.empty()) {
    return base::OutOfRange("instance {} is not JSON: {}", line_number, problem);
  }
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_array() || IsRequest(json)) {
    return base::OutOfRange(
        "instance {} is a list of instances; give the objects alone, one a line", line_number);
  }
  if (json.is_string()) return Instance{Kind::kCsv, json.get<std::string>()};
  if (IsBinary(json)) return DecodeExample(json, line_number);
  if (json.is_object() && json.size() == 1 && IsBinary(*json.begin())) {
    return DecodeExample(*json.begin(), line_number);
  }
  if (json.is_object()) return Instance{Kind::kFeatures, line};
  return base::OutOfRange("instance {} is neither a JSON object nor a string", line_number);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ReadInstanceLines(const std::string& path,
                                                           std::int64_t max_lines) {
  DIME_ASSIGN_OR_RETURN(const std::string text, ReadAll(path));
  const std::string name = path == "-" ? "stdin" : path;
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    return base::OutOfRange("{} is UTF-16; save it as UTF-8", name);
  }
  std::vector<std::string> lines;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == line.npos) {
      return base::OutOfRange("{}: line {} is empty; each line is one instance", name,
                              lines.size() + 1);
    }
    if (max_lines > 0 && static_cast<std::int64_t>(lines.size()) == max_lines) {
      return base::OutOfRange("{} has more than {} instances; --max-instances raises the limit",
                              name, max_lines);
    }
    lines.emplace_back(line);
  }
  if (lines.empty()) return base::OutOfRange("{} has no instances", name);
  return lines;
}

absl::StatusOr<models::Predictions> PredictJsonLines(const std::vector<std::string>& lines,
                                                     models::Predictor& predictor) {
  std::vector<std::string> texts;
  Kind kind = Kind::kFeatures;
  for (const std::string& line : lines) {
    DIME_ASSIGN_OR_RETURN(Instance instance, ParseInstance(line, texts.size() + 1));
    if (texts.empty()) kind = instance.kind;
    if (instance.kind != kind) {
      return base::OutOfRange("instance {} is of another kind than those before it",
                              texts.size() + 1);
    }
    texts.push_back(std::move(instance.text));
  }
  switch (kind) {
    case Kind::kFeatures:
      return predictor.PredictJson(texts);
    case Kind::kCsv:
      return predictor.PredictCsv(texts);
    case Kind::kExample:
      return predictor.PredictExamples(texts);
  }
  return base::Internal("an instance of no kind");
}

}  // namespace dime::cli
