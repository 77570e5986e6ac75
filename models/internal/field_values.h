// models/internal/field_values.h - one field's value, from text or as it came, and what is wrong
// with it.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "models/internal/encoder_plan.h"
#include "models/internal/text.h"

namespace dime::models::internal {

// The text of a CSV field; none where it stands for a missing value.
[[nodiscard]] inline std::string_view WithoutMissing(const EncoderPlan& plan,
                                                     std::string_view text) {
  if (plan.missing_values.empty()) return text;
  const std::string_view value = plan.trim_blanks ? Trimmed(text) : text;
  return std::ranges::binary_search(plan.missing_values, value) ? std::string_view() : text;
}

// Each gives what is wrong ("'x7' is not an integer"), or fills in *out.
[[nodiscard]] std::optional<std::string> ReadNumber(const NumberField& field,
                                                    const FieldValue& value, bool trim_blanks,
                                                    float* out);
[[nodiscard]] std::optional<std::string> ReadText(const TextField& field, const FieldValue& value,
                                                  bool trim_blanks, std::string_view* out);
[[nodiscard]] std::optional<std::string> ReadLabel(const LabelPlan& label, const FieldValue& value,
                                                   bool trim_blanks, float* out);

[[nodiscard]] std::optional<std::string> ReadWeight(const NumberField& field,
                                                    const FieldValue& value, bool trim_blanks,
                                                    float* out);

// What a text stands for: the default for none.
[[nodiscard]] inline std::string_view TextValue(const TextField& field, std::string_view text,
                                                bool trim_blanks) {
  if (trim_blanks) text = Trimmed(text);
  return text.empty() ? std::string_view(field.default_value) : text;
}

// What a value that makes no sense says of the file that it is from; mostly nothing.
[[nodiscard]] std::string_view HintOnEncoding(std::string_view value);

}  // namespace dime::models::internal
