#include "ps/internal/row_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace dime::ps::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

constexpr auto kAny = [](std::uint32_t) { return true; };

class Index {
 public:
  explicit Index(int bits) : entries_(RowIndex::EntriesFor(bits)), index_(entries_.data(), bits) {}

  bool Insert(std::uint32_t tag, std::uint32_t row) {
    return index_.Insert(tag, row, [row](std::uint32_t other) { return other < row; });
  }
  [[nodiscard]] std::vector<std::uint32_t> Rows() const {
    std::vector<std::uint32_t> rows;
    index_.ForEach([&](std::uint32_t row) { rows.push_back(row); });
    return rows;
  }
  RowIndex* operator->() { return &index_; }

 private:
  std::vector<RowIndex::Entry> entries_;
  RowIndex index_;
};

TEST(RowIndexTest, FindsWhatWasInserted) {
  Index index(4);
  EXPECT_TRUE(index.Insert(0x80000000, 7));
  EXPECT_EQ(index->Find(0x80000000, kAny), 7U);
  EXPECT_EQ(index->Find(0x80000001, kAny), RowIndex::kNoRow);
  EXPECT_EQ(index->Find(0x7fffffff, kAny), RowIndex::kNoRow);
}

TEST(RowIndexTest, RowsOfOneTagAreToldApart) {
  Index index(4);
  index.Insert(5, 30);
  index.Insert(5, 10);
  index.Insert(5, 20);
  EXPECT_THAT(index.Rows(), ElementsAre(10, 20, 30));
  EXPECT_EQ(index->Find(5, [](std::uint32_t row) { return row == 20; }), 20U);
  index->Erase(5, 10);
  EXPECT_THAT(index.Rows(), ElementsAre(20, 30));
}

TEST(RowIndexTest, RefusesWhatHasNoRoomNearItsPlaceAndStaysAsItIs) {
  Index index(8);
  std::vector<std::uint32_t> rows;
  std::uint32_t row = 0;
  while (index.Insert(0xffffffff, row)) rows.push_back(row++);
  EXPECT_GE(rows.size(), 16U);
  EXPECT_THAT(index.Rows(), ElementsAreArray(rows));
  EXPECT_TRUE(index.Insert(1, 5000));
  index->Erase(0xffffffff, 3);
  EXPECT_TRUE(index.Insert(0xffffffff, 3));
}

TEST(RowIndexTest, SamplesTheNextOnesAroundTheEnd) {
  Index index(4);
  index.Insert(0x10000000, 1);
  index.Insert(0x80000000, 2);
  index.Insert(0xf0000000, 3);
  std::vector<std::uint32_t> rows(2);
  EXPECT_EQ(index->Sample(0x90000000, rows), 2U);
  EXPECT_THAT(rows, ElementsAre(3, 1));
  rows.resize(5);
  EXPECT_EQ(index->Sample(0x80000000, rows), 3U);
  EXPECT_THAT(std::span(rows).first(3), ElementsAre(2, 3, 1));
}

TEST(RowIndexTest, ErasesARangeOfTags) {
  Index index(4);
  for (std::uint32_t i = 0; i < 10; ++i) index.Insert(i << 24, i);
  index->EraseIf(3U << 24, 7U << 24, [](std::uint32_t row) { return row != 5; });
  EXPECT_THAT(index.Rows(), ElementsAre(0, 1, 2, 5, 8, 9));
}

// Random insertions and removals, many of them among few tags, against a sorted map.
TEST(RowIndexTest, HoldsWhatASortedMapHolds) {
  for (const std::uint32_t num_tags : {50U, 5'000U, 0xffffffffU}) {
    Index index(14);
    std::map<std::pair<std::uint32_t, std::uint32_t>, bool> expected;
    std::mt19937 random(1);
    for (std::uint32_t row = 0; row < 20'000; ++row) {
      if (expected.size() < 10'000 && random() % 3 > 0) {
        const std::uint32_t tag = random() % num_tags * (0xffffffffU / num_tags);
        if (index.Insert(tag, row)) expected[{tag, row}] = true;
      } else if (!expected.empty()) {
        auto victim = expected.lower_bound({static_cast<std::uint32_t>(random()), 0});
        if (victim == expected.end()) victim = expected.begin();
        index->Erase(victim->first.first, victim->first.second);
        expected.erase(victim);
      }
      ASSERT_EQ(index->size(), expected.size());
      if (row % 1000 != 0) continue;
      std::vector<std::uint32_t> rows;
      for (const auto& [key, there] : expected) rows.push_back(key.second);
      ASSERT_THAT(index.Rows(), ElementsAreArray(rows));
      for (const auto& [key, there] : expected) {
        const std::uint32_t wanted = key.second;
        ASSERT_EQ(index->Find(key.first, [wanted](std::uint32_t r) { return r == wanted; }),
                  wanted);
      }
    }
  }
}

}  // namespace
}  // namespace dime::ps::internal
