// runtime/base/text.h - what all readers of text ask of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dime::base {

// What some editors put before UTF-8.
inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

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

// The whole text as a number, blanks around it allowed. Integers as TensorFlow's DecodeCSV takes
// them; floats in decimal, "nan" and "inf" included. False, and *out as it was, when it is none or
// does not fit.
[[nodiscard]] bool ParseInt32(std::string_view text, std::int32_t* out);
[[nodiscard]] bool ParseFloat(std::string_view text, float* out);

// `text` fit for a message: at most max_bytes of it, control characters as \xNN.
[[nodiscard]] std::string Printable(std::string_view text, std::size_t max_bytes);

// 'text' for a message, cut when it is long.
[[nodiscard]] std::string Quoted(std::string_view text);

// Position of the first byte that is neither UTF-8 nor white space or printable; npos: all is well.
[[nodiscard]] std::size_t FindUnprintable(std::string_view text);

}  // namespace dime::base
