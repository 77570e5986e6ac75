// runtime/base/sha256.h - SHA-256, as lower-case hexadecimal text.
#pragma once

#include <string>
#include <string_view>

namespace dime::base {
[[nodiscard]] std::string Sha256Hex(std::string_view data);
}  // namespace dime::base
