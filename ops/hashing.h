// ops/hashing.h - TensorFlow's string hashing: which bucket a value or a cross of values falls
// into.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dime::ops {

// FarmHash Fingerprint64 of the bytes, the hash behind TensorFlow's hash buckets.
[[nodiscard]] std::uint64_t Fingerprint64(std::string_view bytes);

// Fingerprint64(bytes) % num_buckets, unsigned. num_buckets > 0.
[[nodiscard]] std::int64_t HashBucket(std::string_view bytes, std::int64_t num_buckets);

// SparseCross's default key.
inline constexpr std::uint64_t kDefaultCrossKey = 0xDECAFCAFFE;

// SparseCross's step: the hash of a cross so far, and the next value (a string's Fingerprint64, or
// an integer as it is). A cross is a fold of it over the columns in order, starting with the key;
// its bucket is the result % num_buckets.
[[nodiscard]] constexpr std::uint64_t FingerprintCat(std::uint64_t hash, std::uint64_t value) {
  constexpr std::uint64_t kMultiplier = 0xc6a4a7935bd1e995;
  const auto mix = [](std::uint64_t x) { return x ^ (x >> 47); };
  std::uint64_t result = hash ^ kMultiplier;
  result ^= mix(value * kMultiplier) * kMultiplier;
  result *= kMultiplier;
  result = mix(result) * kMultiplier;
  return mix(result);
}

// The same for many crosses at once: hashes[i] = FingerprintCat(hashes[i], values[i]).
void FingerprintCat(std::span<const std::uint64_t> values, std::span<std::uint64_t> hashes);

// Remainders by a number that stays the same: exact, and without a division, which takes several
// times as long. The reciprocal is of 65 bits (Granlund and Montgomery, Division by Invariant
// Integers using Multiplication, figure 4.1).
class Modulus {
 public:
  explicit Modulus(std::uint64_t divisor);  // > 0.

  [[nodiscard]] std::uint64_t operator()(std::uint64_t value) const {
    if (is_power_of_two_) return value & (divisor_ - 1);
    __extension__ using Uint128 = unsigned __int128;
    const auto high = static_cast<std::uint64_t>(Uint128{reciprocal_} * value >> 64);
    const std::uint64_t quotient = (high + ((value - high) >> 1)) >> shift_;
    return value - quotient * divisor_;
  }

 private:
  std::uint64_t divisor_;
  bool is_power_of_two_;
  std::uint64_t reciprocal_ = 0;  // Without its topmost bit, which is 1.
  int shift_ = 0;
};

}  // namespace dime::ops
