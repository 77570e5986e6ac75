#include "ops/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "ops/cpu/kernels.h"

namespace dime::ops {
namespace {

constexpr float kFloatInfinity = std::numeric_limits<float>::infinity();

std::uint16_t ToHalf(Precision precision, float value) {
  std::uint16_t half = 0;
  ToHalves(precision, {&value, 1}, {&half, 1});
  return half;
}

float FromHalf(Precision precision, std::uint16_t half) {
  float value = 0;
  FromHalves(precision, {&half, 1}, {&value, 1});
  return value;
}

float Through(Precision precision, float value) {
  return FromHalf(precision, ToHalf(precision, value));
}

TEST(HalfTest, EveryFloat16GoesThereAndBack) {
  for (std::uint32_t half = 0; half < 0x10000; ++half) {
    const float value = FromHalf(Precision::kFloat16, static_cast<std::uint16_t>(half));
    if (std::isnan(value)) {
      EXPECT_EQ(half & 0x7c00, 0x7c00u);
      EXPECT_TRUE(std::isnan(Through(Precision::kFloat16, value)));
      continue;
    }
    ASSERT_EQ(ToHalf(Precision::kFloat16, value), half);
    const int exponent = static_cast<int>(half >> 10 & 31);
    const auto mantissa = static_cast<double>(half & 0x3ff);
    const double size =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    ASSERT_EQ(std::fabs(value), exponent == 31 ? kFloatInfinity : static_cast<float>(size));
    ASSERT_EQ(std::signbit(value), half >> 15 != 0);
  }
}

TEST(HalfTest, EveryBfloat16GoesThereAndBack) {
  for (std::uint32_t half = 0; half < 0x10000; ++half) {
    const float value = FromHalf(Precision::kBfloat16, static_cast<std::uint16_t>(half));
    EXPECT_EQ(std::bit_cast<std::uint32_t>(value), half << 16);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(Through(Precision::kBfloat16, value)));
    } else {
      ASSERT_EQ(ToHalf(Precision::kBfloat16, value), half);
    }
  }
}

TEST(HalfTest, RoundsToTheNearestAndBetweenTwoToTheEvenOne) {
  const float bfloat16 = std::ldexp(1.0f, -8);  // Half of the last bit of 1.
  EXPECT_EQ(Through(Precision::kBfloat16, 1 + bfloat16), 1);
  EXPECT_EQ(Through(Precision::kBfloat16, 1 + 3 * bfloat16), 1 + 4 * bfloat16);
  EXPECT_EQ(Through(Precision::kBfloat16, std::nextafter(1 + bfloat16, 2.0f)), 1 + 2 * bfloat16);
  const float float16 = std::ldexp(1.0f, -11);
  EXPECT_EQ(Through(Precision::kFloat16, 1 + float16), 1);
  EXPECT_EQ(Through(Precision::kFloat16, 1 + 3 * float16), 1 + 4 * float16);
  EXPECT_EQ(Through(Precision::kFloat16, std::nextafter(1 + float16, 2.0f)), 1 + 2 * float16);
}

TEST(HalfTest, Float16KeepsSmallNumbersAsFarAsItCan) {
  const float least = std::ldexp(1.0f, -24);
  EXPECT_EQ(Through(Precision::kFloat16, least), least);
  EXPECT_EQ(Through(Precision::kFloat16, 1.4f * least), least);
  EXPECT_EQ(Through(Precision::kFloat16, 2.5f * least), 2 * least);
  EXPECT_EQ(Through(Precision::kFloat16, 0.5f * least), 0);
  EXPECT_EQ(Through(Precision::kFloat16, std::nextafter(0.5f * least, 1.0f)), least);
  EXPECT_EQ(Through(Precision::kFloat16, std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_TRUE(std::signbit(Through(Precision::kFloat16, -1e-30f)));
  EXPECT_EQ(Through(Precision::kFloat16, std::ldexp(1.0f, -14)), std::ldexp(1.0f, -14));
}

TEST(HalfTest, Float16StopsAtItsLargestNumber) {
  EXPECT_EQ(Through(Precision::kFloat16, 65504), 65504);
  EXPECT_EQ(Through(Precision::kFloat16, 65519.9f), 65504);
  EXPECT_EQ(Through(Precision::kFloat16, 65520), 65504);
  EXPECT_EQ(Through(Precision::kFloat16, 1e30f), 65504);
  EXPECT_EQ(Through(Precision::kFloat16, -1e30f), -65504);
  EXPECT_EQ(Through(Precision::kFloat16, kFloatInfinity), kFloatInfinity);
  EXPECT_EQ(Through(Precision::kFloat16, -kFloatInfinity), -kFloatInfinity);
}

TEST(HalfTest, NanStaysNanWhateverItsBits) {
  for (const std::uint32_t bits : {0x7f800001u, 0x7fc00000u, 0x7fffffffu, 0xff800001u}) {
    for (const Precision precision : {Precision::kBfloat16, Precision::kFloat16}) {
      EXPECT_TRUE(std::isnan(Through(precision, std::bit_cast<float>(bits)))) << bits;
    }
  }
}

TEST(HalfTest, EveryProcessorGivesTheSameBits) {
  std::mt19937 random(1);
  std::vector<float> values(100'003);
  for (float& value : values) value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
  const std::int64_t size = std::ssize(values);
  const cpu::KernelTable& generic = cpu::kGenericKernels;
  for (const cpu::KernelTable* const table : cpu::SupportedKernels()) {
    std::vector<std::uint16_t> expected(values.size());
    std::vector<std::uint16_t> halves(values.size());
    std::vector<float> expected_back(values.size());
    std::vector<float> back(values.size());
    const auto same = [](float a, float b) {
      return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
    };
    generic.to_bfloat16(values.data(), size, expected.data());
    table->to_bfloat16(values.data(), size, halves.data());
    EXPECT_EQ(halves, expected) << table->name;
    generic.to_float16(values.data(), size, expected.data());
    table->to_float16(values.data(), size, halves.data());
    EXPECT_EQ(halves, expected) << table->name;
    generic.from_float16(halves.data(), size, expected_back.data());
    table->from_float16(halves.data(), size, back.data());
    EXPECT_TRUE(std::equal(back.begin(), back.end(), expected_back.begin(), same)) << table->name;
    generic.from_bfloat16(halves.data(), size, expected_back.data());
    table->from_bfloat16(halves.data(), size, back.data());
    EXPECT_TRUE(std::equal(back.begin(), back.end(), expected_back.begin(), same)) << table->name;
  }
}

}  // namespace
}  // namespace dime::ops
