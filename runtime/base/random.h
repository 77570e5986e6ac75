// runtime/base/random.h - Philox4x32-10: random numbers as a pure function of (key, counter).
//
// Initial weights, shuffles and synthetic data come from here, so that a value depends on what it
// is for and on the seed, never on which thread or server asked first. Source: Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace dime::base {

// 128 random bits for `counter` under `key`.
[[nodiscard]] std::array<std::uint32_t, 4> Philox(std::uint64_t key, std::uint64_t counter_high,
                                                  std::uint64_t counter_low);

// A stream of numbers named by (seed, purpose, index). Two names give independent streams. Not
// thread-safe.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::string_view purpose, std::uint64_t index = 0);

  [[nodiscard]] std::uint64_t key() const { return key_; }  // Of seed and purpose.

  std::uint32_t NextUint32();
  std::uint64_t NextUint64();
  std::uint64_t NextBelow(std::uint64_t bound);  // Uniform in [0, bound), without bias. bound > 0.
  float NextUniform();                           // Uniform in [0, 1), 24 bits.
  float NextNormal();                            // Mean 0, standard deviation 1.

 private:
  std::uint64_t key_;
  std::uint64_t index_;
  std::uint64_t block_ = 0;
  int used_ = 4;
  std::array<std::uint32_t, 4> buffer_{};
};

}  // namespace dime::base
