#include "runtime/base/random.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "runtime/base/check.h"

namespace dime::base {
namespace {

constexpr int kRounds = 10;
constexpr std::uint32_t kMultiplier0 = 0xd2511f53u;
constexpr std::uint32_t kMultiplier1 = 0xcd9e8d57u;
constexpr std::uint32_t kWeyl0 = 0x9e3779b9u;  // The golden ratio.
constexpr std::uint32_t kWeyl1 = 0xbb67ae85u;  // The square root of three, less one.

__extension__ using Uint128 = unsigned __int128;

std::uint64_t Join(std::uint32_t high, std::uint32_t low) {
  return std::uint64_t{high} << 32 | low;
}

// Mixes every byte of `purpose` and its length into `seed`, eight bytes a step.
std::uint64_t KeyFor(std::uint64_t seed, std::string_view purpose) {
  std::uint64_t key = seed;
  const auto mix = [&key](std::uint64_t position, std::uint64_t word) {
    const auto bits = Philox(key, position, word);
    key = Join(bits[1], bits[0]);
  };
  mix(0, purpose.size());
  for (std::size_t start = 0; start < purpose.size(); start += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, purpose.data() + start, std::min(sizeof(word), purpose.size() - start));
    mix(start + 1, word);
  }
  return key;
}

}  // namespace

std::array<std::uint32_t, 4> Philox(std::uint64_t key, std::uint64_t counter_high,
                                    std::uint64_t counter_low) {
  auto key0 = static_cast<std::uint32_t>(key);
  auto key1 = static_cast<std::uint32_t>(key >> 32);
  std::array<std::uint32_t, 4> x = {
      static_cast<std::uint32_t>(counter_low), static_cast<std::uint32_t>(counter_low >> 32),
      static_cast<std::uint32_t>(counter_high), static_cast<std::uint32_t>(counter_high >> 32)};
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * x[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * x[2];
    x = {static_cast<std::uint32_t>(product1 >> 32) ^ x[1] ^ key0,
         static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ x[3] ^ key1,
         static_cast<std::uint32_t>(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return x;
}

RandomStream::RandomStream(std::uint64_t seed, std::string_view purpose, std::uint64_t index)
    : key_(KeyFor(seed, purpose)), index_(index) {}

std::uint32_t RandomStream::NextUint32() {
  if (used_ == static_cast<int>(buffer_.size())) {
    buffer_ = Philox(key_, index_, block_++);
    used_ = 0;
  }
  return buffer_[used_++];
}

std::uint64_t RandomStream::NextUint64() {
  const std::uint32_t low = NextUint32();
  return Join(NextUint32(), low);
}

// Lemire, "Fast random integer generation in an interval", 2019.
std::uint64_t RandomStream::NextBelow(std::uint64_t bound) {
  DIME_CHECK(bound > 0);
  Uint128 product = Uint128{NextUint64()} * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = -bound % bound;
    while (static_cast<std::uint64_t>(product) < threshold) {
      product = Uint128{NextUint64()} * bound;
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

float RandomStream::NextUniform() { return static_cast<float>(NextUint32() >> 8) * 0x1p-24f; }

// Box and Muller, without the second of the pair: a value then needs no state but its place.
float RandomStream::NextNormal() {
  const double radius_uniform = (NextUint32() + 1.0) * 0x1p-32;  // In (0, 1]: its logarithm exists.
  const double angle = 2 * std::numbers::pi * (NextUint32() * 0x1p-32);
  return static_cast<float>(std::sqrt(-2 * std::log(radius_uniform)) * std::cos(angle));
}

}  // namespace dime::base
