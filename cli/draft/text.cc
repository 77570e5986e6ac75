#include "cli/draft/text.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "runtime/base/text.h"

namespace dime::cli {
namespace {

// The length of the character at the start of `text`, if it is a plain one; else 0.
std::size_t PlainLength(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text[0]);
  const bool is_control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
  return is_control ? 0 : base::Utf8Length(text);
}

}  // namespace

bool IsInteger(std::string_view text) {
  std::int32_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  return end == last && error == std::errc();
}

std::optional<float> AsNumber(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  const bool fits = end == last && error == std::errc() &&
                    std::abs(value) <= double{std::numeric_limits<float>::max()};
  return fits ? std::optional(static_cast<float>(value)) : std::nullopt;
}

bool IsPlainText(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = PlainLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string OneLine(std::string text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = PlainLength(std::string_view(text).substr(i));
    if (length == 0) text[i] = '?';
    i += length == 0 ? 1 : length;
  }
  return text;
}

}  // namespace dime::cli
