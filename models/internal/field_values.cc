#include "models/internal/field_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "models/internal/column_steps.h"

namespace dime::models::internal {
namespace {

std::optional<std::string> FindClass(const LabelPlan& label, const FieldValue& value,
                                     bool trim_blanks, float* out) {
  std::string_view text;
  if (auto reason = ReadText(label.text, value, trim_blanks, &text)) return reason;
  std::uint64_t fingerprint = 0;
  std::int64_t id = kMissing;
  RunTextSteps(label.text, text, &fingerprint, &id);
  if (id < 0) return fmt::format("{} is no label; allowed are {}", Quoted(text), label.choices);
  *out = static_cast<float>(id);
  return std::nullopt;
}

}  // namespace

std::string_view HintOnEncoding(std::string_view value) {
  // Half of the bytes of plain text in UTF-16; one that strayed in says nothing.
  const auto num_nuls = static_cast<std::size_t>(std::ranges::count(value, '\0'));
  if (num_nuls > 1 && num_nuls >= value.size() / 4) {
    return "; the file looks like UTF-16, but UTF-8 is expected";
  }
  if (value.find('\r') != value.npos) {
    return "; the file's lines end with CR alone, but LF or CRLF is expected";
  }
  return "";
}

std::optional<std::string> ReadNumber(const NumberField& field, const FieldValue& value,
                                      bool trim_blanks, float* out) {
  if (!value.present) return "is missing; a number is expected";
  if (value.is_list) return "is a list; one number is expected";
  if (value.number.has_value()) {
    const bool fits = std::fabs(*value.number) <=
                      static_cast<double>(std::numeric_limits<float>::max());  // False for NaN.
    if (!fits) return fmt::format("{} is not a finite number", *value.number);
    *out = static_cast<float>(*value.number);
    return std::nullopt;
  }
  const std::string_view text = trim_blanks ? Trimmed(value.text) : value.text;
  if (text.empty()) {
    *out = field.default_value;
    return std::nullopt;
  }
  if (field.type == FieldType::kInteger) {
    std::int32_t integer = 0;
    if (!ParseInt32(text, &integer)) {
      return fmt::format("{} is not an integer of 32 bits", Quoted(text));
    }
    *out = static_cast<float>(integer);
    return std::nullopt;
  }
  float number = 0;
  if (!ParseFloat(text, &number)) return fmt::format("{} is not a number", Quoted(text));
  if (!std::isfinite(number)) return fmt::format("{} is not a finite number", Quoted(text));
  *out = number;
  return std::nullopt;
}

std::optional<std::string> ReadText(const TextField& field, const FieldValue& value,
                                    bool trim_blanks, std::string_view* out) {
  if (!value.present) return "is missing; a string is expected";
  if (value.is_list) return "is a list; one string is expected";
  if (value.number.has_value()) {
    return fmt::format("is the number {}; a string is expected", *value.number);
  }
  *out = TextValue(field, value.text, trim_blanks);
  return std::nullopt;
}

std::optional<std::string> ReadLabel(const LabelPlan& label, const FieldValue& value,
                                     bool trim_blanks, float* out) {
  if (label.is_text) return FindClass(label, value, trim_blanks, out);
  // A number that stands for a missing one would teach the model something wrong.
  if (value.present && !value.number && Trimmed(value.text).empty()) {
    return "is missing; a label is expected";
  }
  if (auto reason = ReadNumber(label.number, value, trim_blanks, out)) return reason;
  if (label.num_classes == 0) return std::nullopt;
  if (*out >= 0 && *out < static_cast<float>(label.num_classes) && *out == std::floor(*out)) {
    return std::nullopt;
  }
  return fmt::format("{} is no label; allowed are 0 to {}", *out, label.num_classes - 1);
}

std::optional<std::string> ReadWeight(const NumberField& field, const FieldValue& value,
                                      bool trim_blanks, float* out) {
  // An example that counts nothing, because nobody said how much, would be lost in silence.
  const bool is_missing = value.present && !value.number && Trimmed(value.text).empty();
  if (is_missing && field.default_value == 0) {
    return "is missing; a weight is expected (a `default` above 0 may stand for it)";
  }
  if (auto reason = ReadNumber(field, value, trim_blanks, out)) return reason;
  if (*out >= 0) return std::nullopt;
  return fmt::format("{} is no weight; a number of 0 or above is expected", *out);
}

}  // namespace dime::models::internal
