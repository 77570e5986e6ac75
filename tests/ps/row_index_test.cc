#include "ps/internal/row_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace dime::ps::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

constexpr std::uint64_t kShard = std::uint64_t{0xab} << 56;
constexpr std::uint64_t kLast = (std::uint64_t{1} << 56) - 1;

// Of hashes of one virtual shard; rows are numbered as they come.
class Index {
 public:
  explicit Index(int bits) : entries_(RowIndex::EntriesFor(bits)), index_(entries_.data(), bits) {}

  bool Insert(std::uint64_t rank, std::uint32_t row = 0) {
    return index_.Insert({.hash = kShard | rank, .number = row + 1});
  }
  [[nodiscard]] std::vector<std::uint64_t> Ranks() const {
    std::vector<std::uint64_t> ranks;
    index_.ForEach([&](const RowIndex::Entry& entry) { ranks.push_back(entry.hash & kLast); });
    return ranks;
  }
  [[nodiscard]] std::vector<std::uint64_t> Sample(std::uint64_t rank, std::size_t most) const {
    std::vector<const RowIndex::Entry*> entries(most);
    entries.resize(index_.Sample(kShard | rank, entries));
    std::vector<std::uint64_t> ranks;
    for (const RowIndex::Entry* const entry : entries) ranks.push_back(entry->hash & kLast);
    return ranks;
  }
  RowIndex* operator->() { return &index_; }

 private:
  std::vector<RowIndex::Entry> entries_;
  RowIndex index_;
};

TEST(IdHashTest, GoesBothWays) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const auto id = static_cast<std::int64_t>(random());
    ASSERT_EQ(IdOfHash(HashOfId(id)), id);
  }
  EXPECT_EQ(IdOfHash(HashOfId(0)), 0);
}

TEST(RowIndexTest, FindsWhatWasInserted) {
  Index index(4);
  EXPECT_TRUE(index.Insert(0x80, 7));
  EXPECT_EQ(index->Find(kShard | 0x80)->number, 8U);
  EXPECT_EQ(index->Find(kShard | 0x81), nullptr);
  EXPECT_EQ(index->Find(kShard | 0x7f), nullptr);
  index->Erase(kShard | 0x80);
  EXPECT_EQ(index->Find(kShard | 0x80), nullptr);
}

TEST(RowIndexTest, RefusesWhatHasNoRoomNearItsPlaceAndStaysAsItIs) {
  Index index(8);
  std::vector<std::uint64_t> ranks;
  for (std::uint64_t rank = kLast; index.Insert(rank); --rank) ranks.insert(ranks.begin(), rank);
  EXPECT_GE(ranks.size(), 16U);
  EXPECT_THAT(index.Ranks(), ElementsAreArray(ranks));
  EXPECT_TRUE(index.Insert(1));
  index->Erase(kShard | kLast);
  EXPECT_TRUE(index.Insert(kLast));
}

TEST(RowIndexTest, SamplesTheNextOnesAroundTheEnd) {
  Index index(4);
  EXPECT_THAT(index.Sample(5, 3), IsEmpty());
  const std::uint64_t a = kLast / 8;
  const std::uint64_t b = kLast / 2;
  const std::uint64_t c = kLast - 3;
  for (const std::uint64_t rank : {a, b, c}) index.Insert(rank);
  EXPECT_THAT(index.Sample(b + 1, 2), ElementsAre(c, a));
  EXPECT_THAT(index.Sample(b, 5), ElementsAre(b, c, a));
}

TEST(RowIndexTest, ErasesInOnePartOnly) {
  Index index(4);
  const std::uint64_t quarter = (kLast + 1) / 4;
  for (const std::uint64_t rank :
       {quarter - 1, quarter, quarter + 1, 2 * quarter - 1, 2 * quarter}) {
    index.Insert(rank);
  }
  index->EraseIf(1, 4,
                 [&](const RowIndex::Entry& e) { return e.hash != (kShard | (quarter + 1)); });
  EXPECT_THAT(index.Ranks(), ElementsAre(quarter - 1, quarter + 1, 2 * quarter));
  index->EraseIf(3, 4, [](const RowIndex::Entry&) { return true; });
  EXPECT_THAT(index.Ranks(), ElementsAre(quarter - 1, quarter + 1, 2 * quarter));
}

// Random insertions and removals, some of them crowded together, against a sorted map.
TEST(RowIndexTest, HoldsWhatASortedMapHolds) {
  for (const int crowding_bits : {0, 20, 44}) {
    Index index(14);
    std::map<std::uint64_t, std::uint32_t> expected;
    std::mt19937_64 random(1);
    for (std::uint32_t row = 0; row < 20'000; ++row) {
      const std::uint64_t rank = (random() & kLast) >> crowding_bits << (row % 2 * crowding_bits);
      if (expected.size() < 10'000 && random() % 3 > 0) {
        if (!expected.contains(rank) && index.Insert(rank, row)) expected[rank] = row;
      } else if (!expected.empty()) {
        auto victim = expected.lower_bound(rank);
        if (victim == expected.end()) victim = expected.begin();
        index->Erase(kShard | victim->first);
        expected.erase(victim);
      }
      ASSERT_EQ(index->size(), expected.size());
      if (row % 1000 != 0) continue;
      std::vector<std::uint64_t> ranks;
      for (const auto& [its_rank, its_row] : expected) {
        ranks.push_back(its_rank);
        ASSERT_EQ(index->Find(kShard | its_rank)->number, its_row + 1);
      }
      ASSERT_THAT(index.Ranks(), ElementsAreArray(ranks));
    }
    EXPECT_GT(expected.size(), 2'000U);
  }
}

}  // namespace
}  // namespace dime::ps::internal
