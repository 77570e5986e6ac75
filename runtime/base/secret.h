// runtime/base/secret.h - a job's token, and proofs of knowing it.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace dime::base {

using Mac = std::array<std::byte, 32>;

// HMAC-SHA256 (RFC 2104).
[[nodiscard]] Mac HmacSha256(std::string_view key, std::string_view data);

// In a time that does not depend on where they differ.
[[nodiscard]] bool SameMac(const Mac& a, const Mac& b);

// From the system's generator.
void FillRandom(std::span<std::byte> bytes);

}  // namespace dime::base
