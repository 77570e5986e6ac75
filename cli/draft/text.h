// cli/draft/text.h - what a value is, seen as text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dime::cli {

// As descriptions' fields are read: a whole number of 32 bits, and a finite one that a float takes.
[[nodiscard]] bool IsInteger(std::string_view text);
[[nodiscard]] std::optional<float> AsNumber(std::string_view text);

// UTF-8 without control characters but tabs: a page of YAML can hold it in quotes.
[[nodiscard]] bool IsPlainText(std::string_view text);
// In one line and plain, whatever the text was: for comments and reports.
[[nodiscard]] std::string OneLine(std::string text);

}  // namespace dime::cli
