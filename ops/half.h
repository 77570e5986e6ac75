// ops/half.h - floats in 16 bits: what goes over the wire, where less traffic counts for more than
// precision.
//
// Conversions round to the nearest, and to the even one between two; the same bits on every
// processor. NaN stays NaN, infinity infinity. bfloat16 has float32's range and 8 bits of
// precision. float16 has 11 bits; numbers beyond +-65504 become that, and those below 2^-14 lose
// bits, down to 2^-24.
#pragma once

#include <cstdint>
#include <span>

namespace dime::ops {

enum class Precision : std::uint16_t { kFloat32 = 0, kBfloat16 = 1, kFloat16 = 2 };

// One of the two of 16 bits; both spans have the same size.
void ToHalves(Precision precision, std::span<const float> values, std::span<std::uint16_t> halves);
void FromHalves(Precision precision, std::span<const std::uint16_t> halves,
                std::span<float> values);

}  // namespace dime::ops
