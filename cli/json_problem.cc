#include "cli/json_problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

namespace dime::cli {
namespace {

using Json = nlohmann::json;

struct Problem {
  std::string reason;
  std::size_t column = 1;  // In bytes, from 1; one behind the last where something is missing.
};

// The middle of "[json.exception.parse_error.101] parse error at line 1, column 9: syntax error
// while parsing value - invalid literal; last read: 'N'".
std::string ReasonOf(std::string_view message) {
  constexpr std::string_view kBefore = " - ";
  const std::size_t before = message.find(kBefore);
  if (before != message.npos) {
    message.remove_prefix(before + kBefore.size());
  } else {
    message.remove_prefix(std::min(message.find("] ") + 2, message.size()));
  }
  const std::size_t last_read = message.find("; last read: ");
  if (last_read == message.npos) return std::string(message);
  const std::size_t expected = message.find("; expected ", last_read);
  return std::string(message.substr(0, last_read)) +
         std::string(expected == message.npos ? "" : message.substr(expected));
}

// Lets all values pass, and keeps what the parser stumbles over.
class ProblemFinder : public nlohmann::json_sax<Json> {
 public:
  [[nodiscard]] const Problem& problem() const { return problem_; }

  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(std::int64_t /*value*/) override { return true; }
  bool number_unsigned(std::uint64_t /*value*/) override { return true; }
  bool number_float(double /*value*/, const std::string& /*text*/) override { return true; }
  bool string(std::string& /*value*/) override { return true; }
  bool binary(Json::binary_t& /*value*/) override { return true; }
  bool start_object(std::size_t /*size*/) override { return true; }
  bool key(std::string& /*name*/) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t /*size*/) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    problem_ = {.reason = ReasonOf(error.what()), .column = std::max<std::size_t>(position, 1)};
    return false;
  }

 private:
  Problem problem_;
};

// The text around a column, fit for a terminal.
std::string Piece(std::string_view line, std::size_t column) {
  constexpr std::size_t kBytesAround = 20;
  const std::size_t at = std::min(column - 1, line.size());
  const std::size_t begin = at - std::min(at, kBytesAround);
  const std::size_t end = std::min(at + kBytesAround, line.size());
  std::string piece = begin > 0 ? "..." : "";
  for (const char c : line.substr(begin, end - begin)) {
    const auto byte = static_cast<unsigned char>(c);
    piece += byte >= ' ' && byte < 0x7f ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return piece + (end < line.size() ? "..." : "");
}

// The letters that the byte at `column` is among, in lower case.
std::string WordAt(std::string_view line, std::size_t column) {
  constexpr auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  std::size_t begin = std::min(column - 1, line.size());
  std::size_t end = begin;
  while (begin > 0 && is_letter(line[begin - 1])) --begin;
  while (end < line.size() && is_letter(line[end])) ++end;
  std::string word(line.substr(begin, end - begin));
  for (char& c : word) c = static_cast<char>(c | 0x20);
  return word;
}

// Whether `line` begins as a request for an online prediction does, or as a list of instances.
bool BeginsAsAList(std::string_view line) {
  std::string beginning;
  for (const char c : line) {
    if (c != ' ' && c != '\t') beginning += c;
    if (beginning.size() == 12) break;
  }
  return beginning.starts_with('[') || beginning == "{\"instances\"";
}

std::string HintFor(std::string_view line, const Problem& problem) {
  const std::string word = WordAt(line, problem.column);
  if (word == "nan" || word == "inf" || word == "infinity") {
    return "; JSON has no NaN and no Infinity";
  }
  if (word == "none" || word == "true" || word == "false") {
    return "; JSON writes null, true and false";
  }
  if (problem.column <= line.size() && line[problem.column - 1] == '\'') {
    return "; JSON has double quotes only";
  }
  if (problem.reason.find("end of input") == std::string::npos) return "";
  return BeginsAsAList(line) ? "; give the objects alone, one a line" : "; give one object a line";
}

}  // namespace

std::string FindJsonProblem(std::string_view line) {
  // The parser takes a NUL for the end of its input.
  if (const std::size_t nul = line.find('\0'); nul != line.npos) {
    const bool looks_wide = nul < 2 && std::ranges::count(line, '\0') * 3 > std::ssize(line);
    return fmt::format("a NUL byte in column {}, at '{}'{}", nul + 1, Piece(line, nul + 1),
                       looks_wide ? "; it looks like UTF-16, but UTF-8 is expected" : "");
  }
  ProblemFinder finder;
  if (Json::sax_parse(line, &finder)) return "";
  const Problem& problem = finder.problem();
  return fmt::format("{} in column {}, at '{}'{}", problem.reason, problem.column,
                     Piece(line, problem.column), HintFor(line, problem));
}

}  // namespace dime::cli
