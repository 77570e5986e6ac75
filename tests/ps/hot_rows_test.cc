#include "ps/hot_rows.h"

#include <gtest/gtest.h>

#include <vector>

#include "runtime/base/random.h"

namespace dime::ps {
namespace {

TEST(HotRowsTest, FindsTheRowsThatArePulledMost) {
  HotRows hot;
  base::RandomStream random(1, "hot_rows_test");
  std::vector<std::int64_t> rows(100);
  constexpr int kPulls = 20'000;
  for (int pull = 0; pull < kPulls; ++pull) {
    for (std::int64_t& row : rows) row = static_cast<std::int64_t>(random.NextBelow(1'000'000));
    for (int i = 10; i < 18; ++i) rows[i] = 5;
    for (int i = 60; i < 64; ++i) rows[i] = 7;
    hot.Add(rows);
  }
  const auto hottest = hot.Hottest(2);
  ASSERT_EQ(hottest.size(), 2u);
  EXPECT_EQ(hottest[0].row, 5);
  EXPECT_EQ(hottest[1].row, 7);
  // Counts are too low by a 64th of the sample at most, and vary.
  EXPECT_GT(hottest[0].count, 8 * kPulls * 8 / 10 - 100 * kPulls / 64);
  EXPECT_LT(hottest[0].count, 8 * kPulls * 12 / 10);
}

// A batch looks up the same columns at the same places, and their number may divide the sample's
// distance.
TEST(HotRowsTest, DoesNotSeeTheSamePlaceOfEveryPullOnly) {
  HotRows hot;
  const std::vector<std::int64_t> rows = {0, 1, 2, 3};
  for (int pull = 0; pull < 100'000; ++pull) hot.Add(rows);
  const auto hottest = hot.Hottest(10);
  ASSERT_EQ(hottest.size(), 4u);
  for (const HotRows::Entry& entry : hottest) EXPECT_NEAR(entry.count, 100'000, 25'000);
}

TEST(HotRowsTest, FewRowsAreNoSample) { EXPECT_TRUE(HotRows().Hottest(3).empty()); }

}  // namespace
}  // namespace dime::ps
