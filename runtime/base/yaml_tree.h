// runtime/base/yaml_tree.h - a YAML page as a plain tree whose nodes know where they stand.
//
// The page comes from a user or from an export, so it is read with limits: kMaxYamlBytes, 32
// levels, kMaxYamlNodes, one document, no anchors, aliases or tags, no key twice. Errors are
// kInvalidArgument: "file:line: key.path: what is wrong".
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/status.h"

namespace dime::base {

inline constexpr std::size_t kMaxYamlBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxYamlNodes = 50'000;

struct YamlNode {
  enum class Kind { kNull, kText, kList, kMap };

  Kind kind = Kind::kNull;
  std::string key;                 // In a map.
  std::string text;                // kText.
  std::vector<YamlNode> children;  // kList, kMap.

  std::shared_ptr<const std::string> file;
  int line = 0;      // 1-based.
  std::string path;  // "columns.age.kind", "input.fields[3]"; "" for the page.

  // For trees that are to be written.
  static YamlNode Text(std::string text);
  static YamlNode List(std::vector<YamlNode> items);
  static YamlNode TextList(std::span<const std::string> items);
  static YamlNode Map();
  YamlNode& Add(std::string_view child_key, YamlNode child) &;
  YamlNode Add(std::string_view child_key, YamlNode child) &&;

  [[nodiscard]] const YamlNode* Find(std::string_view child_key) const;
  [[nodiscard]] std::size_t CountNodes() const;  // This one, and all below.
  [[nodiscard]] std::string Place() const;       // "file:line: key.path", as errors begin.

  template <typename... Args>
  [[nodiscard]] absl::Status Error(fmt::format_string<Args...> format, Args&&... args) const {
    return ErrorText(fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  [[nodiscard]] absl::Status ErrorText(std::string_view what) const;
};

absl::StatusOr<YamlNode> ParseYaml(std::string_view text, const std::string& file_name);

// A whole page. ParseYaml() reads it back to an equal tree.
[[nodiscard]] std::string FormatYaml(const YamlNode& map);
// In one line: "{kind: numeric, field: age}".
[[nodiscard]] std::string FormatYamlLine(const YamlNode& node);

// --- Typed reading. A null `node` is a key that is not there: *out keeps its value.

// That `node` is a map with all of `required`, and else nothing but `optional`.
absl::Status CheckKeys(const YamlNode& node, const std::vector<std::string_view>& required,
                       const std::vector<std::string_view>& optional);

absl::Status ReadText(const YamlNode* node, std::string* out);
absl::Status ReadTexts(const YamlNode* node, std::vector<std::string>* out);
absl::Status ReadBool(const YamlNode* node, bool* out);
absl::Status ReadInteger(const YamlNode* node, std::int64_t min, std::int64_t max,
                         std::int64_t* out);
absl::Status ReadUnsigned(const YamlNode* node, std::uint64_t* out);
absl::Status ReadFloat(const YamlNode* node, float* out);  // Finite.
absl::Status ReadNumber(const YamlNode* node, double min, double max, double* out);

// One of the words that a key takes, and what it stands for.
template <typename T>
struct Choice {
  std::string_view name;
  T value;
};

template <typename T, std::size_t kSize>
absl::Status ReadChoice(const YamlNode* node, const Choice<T> (&choices)[kSize], T* out);
template <typename T, std::size_t kSize>
[[nodiscard]] std::string_view ChoiceName(const Choice<T> (&choices)[kSize], T value);

// --- For messages.

// "a, b, c", cut when there are many.
[[nodiscard]] std::string Listed(std::span<const std::string> names);
absl::Status UnknownName(const YamlNode& node, std::string_view what, std::string_view name,
                         std::span<const std::string> known);

// --- Implementation of the templates

template <typename T, std::size_t kSize>
absl::Status ReadChoice(const YamlNode* node, const Choice<T> (&choices)[kSize], T* out) {
  if (node == nullptr) return absl::OkStatus();
  std::string name;
  DIME_RETURN_IF_ERROR(ReadText(node, &name));
  std::vector<std::string> known;
  for (const auto& [choice, value] : choices) {
    if (name == choice) {
      *out = value;
      return absl::OkStatus();
    }
    known.emplace_back(choice);
  }
  return UnknownName(*node, "choice", name, known);
}

template <typename T, std::size_t kSize>
std::string_view ChoiceName(const Choice<T> (&choices)[kSize], T value) {
  for (const auto& [choice, candidate] : choices) {
    if (candidate == value) return choice;
  }
  return "";
}

}  // namespace dime::base
