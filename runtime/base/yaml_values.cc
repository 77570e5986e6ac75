// The typed reading of runtime/base/yaml_tree.h, and its messages.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include "runtime/base/suggest.h"
#include "runtime/base/text.h"
#include "runtime/base/yaml_tree.h"

namespace dime::base {
namespace {

constexpr std::size_t kMaxListedNames = 40;

std::string_view KindName(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kText:
      return "a single value";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a mapping";
  }
  return "";
}

template <typename T>
bool ParseWhole(std::string_view text, T* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

absl::Status CheckKeys(const YamlNode& node, const std::vector<std::string_view>& required,
                       const std::vector<std::string_view>& optional) {
  std::vector<std::string> allowed(required.begin(), required.end());
  allowed.insert(allowed.end(), optional.begin(), optional.end());
  if (node.kind != YamlNode::Kind::kMap) {
    return node.Error("is {}; a mapping with the keys {} is expected", KindName(node.kind),
                      Listed(allowed));
  }
  for (const YamlNode& child : node.children) {
    if (std::find(allowed.begin(), allowed.end(), child.key) == allowed.end()) {
      return child.Error("is no key of this mapping; allowed are {}{}", Listed(allowed),
                         DidYouMean(child.key, allowed));
    }
  }
  for (const std::string_view key : required) {
    if (node.Find(key) == nullptr) {
      return node.Error("the key '{}' is missing; allowed are {}", key, Listed(allowed));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadText(const YamlNode* node, std::string* out) {
  if (node == nullptr) return absl::OkStatus();
  if (node->kind != YamlNode::Kind::kText) {
    return node->Error("is {}; a text is expected (put an empty one, or the word null, in quotes)",
                       KindName(node->kind));
  }
  *out = node->text;
  return absl::OkStatus();
}

absl::Status ReadTexts(const YamlNode* node, std::vector<std::string>* out) {
  if (node == nullptr) return absl::OkStatus();
  if (node->kind != YamlNode::Kind::kList) {
    return node->Error("is {}; a list of texts is expected: [a, b]", KindName(node->kind));
  }
  out->clear();
  for (const YamlNode& item : node->children) {
    DIME_RETURN_IF_ERROR(ReadText(&item, &out->emplace_back()));
  }
  return absl::OkStatus();
}

absl::Status ReadBool(const YamlNode* node, bool* out) {
  constexpr Choice<bool> kWords[] = {{"true", true}, {"false", false}};
  return ReadChoice(node, kWords, out);
}

absl::Status ReadInteger(const YamlNode* node, std::int64_t min, std::int64_t max,
                         std::int64_t* out) {
  if (node == nullptr) return absl::OkStatus();
  std::int64_t value = 0;
  if (!ParseWhole(node->text, &value) || value < min || value > max) {
    return node->Error("{} is not a whole number from {} to {}", Quoted(node->text), min, max);
  }
  *out = value;
  return absl::OkStatus();
}

absl::Status ReadUnsigned(const YamlNode* node, std::uint64_t* out) {
  if (node == nullptr) return absl::OkStatus();
  if (!ParseWhole(node->text, out)) {
    return node->Error("{} is not a whole number from 0 to 2^64 - 1", Quoted(node->text));
  }
  return absl::OkStatus();
}

absl::Status ReadFloat(const YamlNode* node, float* out) {
  if (node == nullptr) return absl::OkStatus();
  if (!ParseFloat(node->text, out) || !std::isfinite(*out)) {
    return node->Error("{} is not a finite number", Quoted(node->text));
  }
  return absl::OkStatus();
}

absl::Status ReadNumber(const YamlNode* node, double min, double max, double* out) {
  if (node == nullptr) return absl::OkStatus();
  double value = 0;
  const bool is_number = ParseWhole(node->text, &value) && std::isfinite(value);
  if (!is_number || value < min || value > max) {
    return node->Error("{} is not a number from {} to {}", Quoted(node->text), min, max);
  }
  *out = value;
  return absl::OkStatus();
}

std::string Listed(std::span<const std::string> names) {
  const std::size_t shown = std::min(names.size(), kMaxListedNames);
  std::string list = fmt::format("{}", fmt::join(names.first(shown), ", "));
  if (shown < names.size()) list += fmt::format(" and {} more", names.size() - shown);
  return list;
}

absl::Status UnknownName(const YamlNode& node, std::string_view what, std::string_view name,
                         std::span<const std::string> known) {
  return node.Error("there is no {} {}; there are {}{}", what, Quoted(name),
                    known.empty() ? "none" : Listed(known), DidYouMean(name, known));
}

}  // namespace dime::base
