// runtime/base/random_fill.h - many random numbers at once: value i is a function of (key, index,
// i) alone.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dime::base {

// The key of all that (seed, purpose) name. It costs more than some values do: keep it.
[[nodiscard]] std::uint64_t RandomKey(std::uint64_t seed, std::string_view purpose);

// Uniform in [0, 1).
void FillUniform(std::uint64_t key, std::uint64_t index, std::span<float> out);

// Normal, mean 0 and standard deviation 1, on condition that it lies within two deviations: what
// drawing again beyond them gives.
void FillTruncatedNormal(std::uint64_t key, std::uint64_t index, std::span<float> out);

}  // namespace dime::base
