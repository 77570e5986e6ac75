// runtime/base/text.h - what all readers of text ask of it.
#pragma once

#include <cstddef>
#include <string_view>

namespace dime::base {

// Without white space at both ends.
[[nodiscard]] inline std::string_view Trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// The length of the UTF-8 sequence at the start of `text`, which is not empty; 0 when there is none
// (RFC 3629).
[[nodiscard]] std::size_t Utf8Length(std::string_view text);

}  // namespace dime::base
