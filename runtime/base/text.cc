#include "runtime/base/text.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace dime::base {
namespace {

bool IsControl(unsigned char byte) { return byte < 0x20 || byte == 0x7f; }

template <typename T>
bool ParseDecimal(std::string_view text, T* out) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out);
  return error == std::errc() && stop == end;
}

}  // namespace

std::size_t Utf8Length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool is_overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool is_surrogate = lead == 0xed && byte(1) >= 0xa0;
  const bool is_too_large = lead == 0xf4 && byte(1) >= 0x90;
  return is_overlong || is_surrogate || is_too_large ? 0 : length;
}

bool ParseInt32(std::string_view text, std::int32_t* out) {
  text = Trimmed(text);
  std::int32_t value = 0;
  if (!ParseDecimal(text, &value)) return false;
  *out = value;
  return true;
}

bool ParseFloat(std::string_view text, float* out) {
  text = Trimmed(text);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  float value = 0;
  if (!ParseDecimal(text, &value)) {
    // A double holds what is too large for a float, and what is so small that it is zero.
    double wide = 0;
    if (!ParseDecimal(text, &wide)) return false;
    if (std::fabs(wide) > static_cast<double>(std::numeric_limits<float>::max())) return false;
    value = static_cast<float>(wide);
  }
  *out = value;
  return true;
}

std::string Printable(std::string_view text, std::size_t max_bytes) {
  std::string printable;
  for (const char c : text.substr(0, max_bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (IsControl(byte)) {
      printable += fmt::format("\\x{:02x}", byte);
    } else {
      printable += c;
    }
  }
  if (text.size() > max_bytes) printable += "...";
  return printable;
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kMaxBytes = 80;
  return fmt::format("'{}'", Printable(text, kMaxBytes));
}

std::size_t FindUnprintable(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_layout = byte == '\t' || byte == '\n' || byte == '\r';
    if (IsControl(byte) && !is_layout) return i;
    const std::size_t length = Utf8Length(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return std::string_view::npos;
}

}  // namespace dime::base
