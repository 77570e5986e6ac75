#include "ops/dropout.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dime::ops {
namespace {

using Vector = std::vector<float>;

constexpr std::int64_t kNumRows = 64;
constexpr std::int64_t kNumCols = 100;

Vector Dropped(float rate, const DropoutKey& key) {
  Vector values(kNumRows * kNumCols, 3.0f);
  Dropout(rate, key, /*first_row=*/0, {values.data(), kNumRows, kNumCols, kNumCols});
  return values;
}

TEST(DropoutTest, LeavesOutAboutItsRateAndScalesTheRest) {
  std::size_t num_dropped = 0;
  for (const float value : Dropped(0.25f, {.step = 1, .layer = 0})) {
    if (value == 0)
      ++num_dropped;
    else
      EXPECT_EQ(value, 4.0f);
  }
  EXPECT_NEAR(static_cast<double>(num_dropped) / (kNumRows * kNumCols), 0.25, 0.03);  // 5 sigma.
}

TEST(DropoutTest, ARateOfZeroChangesNothing) {
  EXPECT_EQ(Dropped(0, {.step = 1, .layer = 0}), Vector(kNumRows * kNumCols, 3.0f));
}

TEST(DropoutTest, StepsAndLayersLeaveOutOthers) {
  const Vector one = Dropped(0.5f, {.step = 1, .layer = 0});
  EXPECT_NE(one, Dropped(0.5f, {.step = 2, .layer = 0}));
  EXPECT_NE(one, Dropped(0.5f, {.step = 1, .layer = 1}));
  EXPECT_EQ(one, Dropped(0.5f, {.step = 1, .layer = 0}));
}

TEST(DropoutTest, PartsOfABatchLeaveOutWhatTheWholeDoes) {
  const DropoutKey key{.step = 7, .layer = 2};
  Vector parts(kNumRows * kNumCols, 3.0f);
  constexpr std::int64_t kFirst = 20;
  Dropout(0.5f, key, 0, {parts.data(), kFirst, kNumCols, kNumCols});
  Dropout(0.5f, key, kFirst,
          {parts.data() + kFirst * kNumCols, kNumRows - kFirst, kNumCols, kNumCols});
  EXPECT_EQ(parts, Dropped(0.5f, key));
}

}  // namespace
}  // namespace dime::ops
