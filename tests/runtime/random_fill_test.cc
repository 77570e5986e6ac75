#include "runtime/base/random_fill.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace dime::base {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;

std::vector<float> Normals(std::uint64_t index, std::size_t count) {
  std::vector<float> values(count);
  FillTruncatedNormal(RandomKey(1, "weights"), index, values);
  return values;
}

TEST(RandomFillTest, AValueDependsOnKeyIndexAndPlaceAlone) {
  const std::vector<float> values = Normals(3, 1000);
  for (const std::size_t count : {1, 2, 63, 64, 65, 999}) {
    const std::vector<float> fewer = Normals(3, count);
    EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), values.begin())) << count;
  }
  EXPECT_NE(Normals(4, 1000), values);
  std::vector<float> others(1000);
  FillTruncatedNormal(RandomKey(2, "weights"), 3, others);
  EXPECT_NE(others, values);
  FillTruncatedNormal(RandomKey(1, "weight"), 3, others);
  EXPECT_NE(others, values);
}

TEST(RandomFillTest, UniformsFillTheUnitIntervalEvenly) {
  std::vector<float> values(1 << 20);
  FillUniform(RandomKey(1, "u"), 0, values);
  std::vector<int> counts(16);
  for (const float value : values) {
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    ++counts[static_cast<std::size_t>(value * 16)];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1 << 16, 1500);
}

// The share of a normal's values below each of some places, against the error function.
TEST(RandomFillTest, NormalsAreThoseOfANormalCutAtTwoDeviations) {
  const std::vector<float> values = Normals(0, 1 << 22);
  const auto [least, most] = std::ranges::minmax(values);
  EXPECT_GE(least, -2.0f);
  EXPECT_LE(most, 2.0f);
  EXPECT_NEAR(least, -2.0f, 1e-4);
  EXPECT_NEAR(most, 2.0f, 1e-4);
  const auto cdf = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); };
  for (const double place : {-1.999, -1.9, -1.0, -0.5, -0.01, 0.0, 0.1, 0.7, 1.5, 1.99}) {
    const auto below = std::ranges::count_if(values, [&](float v) { return v < place; });
    const double expected = (cdf(place) - cdf(-2)) / (cdf(2) - cdf(-2));
    EXPECT_NEAR(static_cast<double>(below) / static_cast<double>(values.size()), expected, 1e-3)
        << place;
  }
}

TEST(RandomFillTest, TheNumbersOfANameNeverChange) {
  const std::vector<float> values = Normals(2, 4);
  std::vector<float> uniforms(2);
  FillUniform(RandomKey(1, "weights"), 2, uniforms);
  EXPECT_THAT(values, ElementsAre(FloatNear(0.171487f, 1e-6f), FloatNear(-1.38663f, 1e-5f),
                                  FloatNear(-0.830238f, 1e-6f), FloatNear(0.437969f, 1e-6f)));
  EXPECT_THAT(uniforms, ElementsAre(FloatNear(0.571325f, 1e-6f), FloatNear(0.062888f, 1e-6f)));
}

}  // namespace
}  // namespace dime::base
