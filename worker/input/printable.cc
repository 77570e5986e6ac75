#include "worker/input/printable.h"

#include <fmt/format.h>

namespace dime::worker {

std::string Printable(std::string_view text, std::size_t max_chars) {
  std::string printable;
  for (const char c : text) {
    if (printable.size() >= max_chars) return printable + "...";
    const bool is_plain = c >= ' ' && c <= '~';
    printable +=
        is_plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return printable;
}

}  // namespace dime::worker
