// runtime/base/secret.h - a job's token, and proofs of knowing it.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace dime::base {

// Bytes that nobody else is to learn. They are in pages of their own, which core dumps leave out
// and, where the system's limits allow it, are never swapped; they are overwritten when the last
// copy of the object goes. Copies share them. Never turn them into a string.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes);
  Secret(const char* text) : Secret(std::string_view(text)) {}  // NOLINT: for tests and benches.

  // Valid as long as a copy of this object lives.
  [[nodiscard]] std::string_view bytes() const;
  [[nodiscard]] bool empty() const { return bytes().empty(); }
  friend bool operator==(const Secret& a, const Secret& b) { return a.bytes() == b.bytes(); }

 private:
  class Pages;
  std::shared_ptr<const Pages> pages_;
};

// Overwrites bytes, in a way that no compiler leaves out.
void Wipe(std::span<std::byte> bytes);

using Mac = std::array<std::byte, 32>;

// HMAC-SHA256 (RFC 2104).
[[nodiscard]] Mac HmacSha256(std::string_view key, std::string_view data);

// HKDF-SHA256 (RFC 5869): 32 bytes for the use that `info` names.
[[nodiscard]] Mac HkdfSha256(std::string_view secret, std::string_view salt, std::string_view info);

// In a time that does not depend on where they differ.
[[nodiscard]] bool SameMac(const Mac& a, const Mac& b);

// From the system's generator.
void FillRandom(std::span<std::byte> bytes);

}  // namespace dime::base
