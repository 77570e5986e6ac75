#include "ops/hashing.h"

#include <farmhash.h>

#include <bit>

#include "ops/cpu/kernels.h"
#include "runtime/base/check.h"

namespace dime::ops {

std::uint64_t Fingerprint64(std::string_view bytes) {
  return util::Fingerprint64(bytes.data(), bytes.size());
}

std::int64_t HashBucket(std::string_view bytes, std::int64_t num_buckets) {
  return static_cast<std::int64_t>(Fingerprint64(bytes) % static_cast<std::uint64_t>(num_buckets));
}

void FingerprintCat(std::span<const std::uint64_t> values, std::span<std::uint64_t> hashes) {
  DIME_CHECK(values.size() == hashes.size());
  cpu::Kernels().cat_fingerprints(values.data(), static_cast<std::int64_t>(values.size()),
                                  hashes.data());
}

Modulus::Modulus(std::uint64_t divisor)
    : divisor_(divisor), is_power_of_two_(std::has_single_bit(divisor)) {
  if (is_power_of_two_) return;
  __extension__ using Uint128 = unsigned __int128;
  const int bits = std::bit_width(divisor);  // 2^(bits-1) < divisor < 2^bits.
  const Uint128 excess = (Uint128{1} << bits) - divisor;
  reciprocal_ = static_cast<std::uint64_t>((excess << 64) / divisor + 1);
  shift_ = bits - 1;
}

}  // namespace dime::ops
