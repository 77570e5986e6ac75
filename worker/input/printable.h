// worker/input/printable.h - bytes of unknown origin, fit for a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dime::worker {

// `text` without control characters, and not longer than `max_chars` and a few dots.
[[nodiscard]] std::string Printable(std::string_view text, std::size_t max_chars);

}  // namespace dime::worker
