// ops/hashing.h - TensorFlow's string hashing: which bucket a value or a cross of values falls
// into.
#pragma once

#include <cstdint>
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

}  // namespace dime::ops
