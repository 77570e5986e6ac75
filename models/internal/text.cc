#include "models/internal/text.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace dime::models::internal {
namespace {

bool IsControl(unsigned char byte) { return byte < 0x20 || byte == 0x7f; }

template <typename T>
bool ParseDecimal(std::string_view text, T* out) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out);
  return error == std::errc() && stop == end;
}

}  // namespace

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
    const std::size_t length = base::Utf8Length(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return std::string_view::npos;
}

}  // namespace dime::models::internal
