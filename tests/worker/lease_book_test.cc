#include "worker/leases/lease_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "runtime/base/random.h"
#include "tests/support/status_matchers.h"

namespace dime::worker {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(LeaseBookTest, ALeaseIsASecondOfWorkOrAShareOfTheRestAndAtLeastABatch) {
  LeaseBook book({.num_batches = 6400});
  EXPECT_EQ(book.Lease(0, 30), (BatchRange{0, 30}));
  EXPECT_EQ(book.Lease(0, 5000)->size(), (6400 - 30) / 64);
  EXPECT_EQ(book.Lease(0, 0.01)->size(), 1);
  EXPECT_EQ(LeaseBook({.num_batches = 10}).Lease(0, 5000), (BatchRange{0, 1}));
  EXPECT_EQ(LeaseBook({}).Lease(0, 5000)->size(), 5000);
  EXPECT_EQ(LeaseBook({}).Lease(0, 1e300)->size(), 1 << 20);
}

TEST(LeaseBookTest, EveryBatchIsLeasedOnce) {
  LeaseBook book({.num_replicas = 3, .num_batches = 1000});
  std::int64_t next = 0;
  for (int turn = 0; const auto lease = book.Lease(turn % 3, 20); ++turn) {
    EXPECT_EQ(lease->first, next);
    next = lease->end;
  }
  EXPECT_EQ(next, 1000);
}

TEST(LeaseBookTest, ABatchIsDoneWhenItsPushIsAcknowledged) {
  LeaseBook book({.num_replicas = 2, .num_batches = 640});
  EXPECT_EQ(book.Lease(0, 5), (BatchRange{0, 5}));
  EXPECT_EQ(book.Lease(1, 5), (BatchRange{5, 10}));
  EXPECT_EQ(book.Lease(0, 5), (BatchRange{10, 15}));
  EXPECT_OK(book.Acknowledge(0, 7));
  EXPECT_THAT(book.Done(), ElementsAre(BatchRange{0, 5}, BatchRange{10, 12}));
  EXPECT_OK(book.Acknowledge(0, 6));  // An old report.
  EXPECT_OK(book.Acknowledge(1, 5));
  EXPECT_THAT(book.Done(), ElementsAre(BatchRange{0, 12}));
  EXPECT_EQ(book.num_leased(), 3);
  EXPECT_THAT(book.Acknowledge(1, 6),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("replica 1 says that 6")));
}

TEST(LeaseBookTest, WhatAGoneReplicaHasNotDoneGoesToOthersAndIsCounted) {
  LeaseBook book({.num_replicas = 2, .num_batches = 12, .batch_size = 10});
  book.Lease(0, 1);
  book.Lease(1, 1);
  book.Lease(1, 1);
  EXPECT_OK(book.Acknowledge(1, 1));
  book.GiveBack(1);
  EXPECT_EQ(book.Lease(0, 1), (BatchRange{2, 3}));
  std::int64_t taken = 2;
  while (book.Lease(0, 1)) ++taken;
  EXPECT_FALSE(book.is_done());
  EXPECT_OK(book.Acknowledge(0, taken));
  EXPECT_TRUE(book.is_done());
  EXPECT_THAT(book.Done(), ElementsAre(BatchRange{0, 12}));
  const RecordUses uses = book.Uses();
  EXPECT_EQ(uses.due, 120);
  EXPECT_EQ(uses.never, 0);
  EXPECT_EQ(uses.repeated, 10);
  EXPECT_EQ(uses.once, 110);
}

TEST(LeaseBookTest, AReplicaThatComesBackCountsFromZero) {
  LeaseBook book({.num_batches = 640});
  book.Lease(0, 4);
  EXPECT_OK(book.Acknowledge(0, 3));
  book.GiveBack(0);
  EXPECT_EQ(book.Lease(0, 4), (BatchRange{3, 4}));
  EXPECT_OK(book.Acknowledge(0, 1));
  EXPECT_THAT(book.Done(), ElementsAre(BatchRange{0, 4}));
}

TEST(LeaseBookTest, AStopEndsAtAnExactBoundary) {
  LeaseBook book({.num_replicas = 2});
  book.Lease(0, 100);
  book.Lease(1, 50);
  book.StopGranting();
  EXPECT_EQ(book.Lease(0, 100), std::nullopt);
  EXPECT_TRUE(book.is_exhausted());
  EXPECT_FALSE(book.is_done());
  book.GiveBack(1);  // What was running is finished by another one.
  EXPECT_FALSE(book.is_exhausted());
  std::int64_t next = 100;
  while (const auto lease = book.Lease(0, 100)) {
    EXPECT_EQ(lease->first, next);
    next = lease->end;
  }
  EXPECT_EQ(next, 150);
  EXPECT_OK(book.Acknowledge(0, 150));
  EXPECT_TRUE(book.is_done());
  EXPECT_THAT(book.Done(), ElementsAre(BatchRange{0, 150}));
  EXPECT_EQ(book.Uses().due, 150);
  EXPECT_EQ(book.Uses().never, 0);
}

TEST(LeaseBookTest, AResumedRunFillsTheGapsOfTheOneBefore) {
  // Step 60 of a killed run: 50 batches are known to be done, 10 more were pushed by someone.
  LeaseBook book({.done = {{0, 40}, {45, 50}, {55, 60}},
                  .num_batches = 640,
                  .num_perhaps_pushed = 10,
                  .batch_size = 10});
  EXPECT_EQ(book.Lease(0, 8), (BatchRange{40, 45}));
  EXPECT_EQ(book.Lease(0, 8), (BatchRange{50, 55}));
  EXPECT_EQ(book.Lease(0, 8), (BatchRange{60, 68}));
  EXPECT_OK(book.Acknowledge(0, 18));
  EXPECT_THAT(book.Done(), ElementsAre(BatchRange{0, 68}));
  EXPECT_EQ(book.Uses().repeated, 100);
}

TEST(LeaseBookTest, TheLastBatchMayBeShorter) {
  LeaseBook book({.num_batches = 3, .batch_size = 10, .num_uses = 25});
  for (int i = 0; i < 3; ++i) book.Lease(0, 1);
  EXPECT_EQ(book.Uses().due, 25);
  EXPECT_EQ(book.Uses().never, 25);
  EXPECT_OK(book.Acknowledge(0, 3));
  EXPECT_EQ(book.Uses().once, 25);
}

// Replicas of any speed that come, go and are slow to report: no batch is lost.
TEST(LeaseBookTest, NoBatchIsEverLost) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    base::RandomStream random(seed, "lease_book_test");
    constexpr int kReplicas = 4;
    LeaseBook book({.num_replicas = kReplicas, .num_batches = 500, .batch_size = 3});
    std::vector<std::int64_t> got(kReplicas, 0);
    std::vector<std::int64_t> done(kReplicas, 0);
    std::int64_t num_taken = 0;
    for (int turn = 0; !book.is_done(); ++turn) {
      ASSERT_LT(turn, 100'000) << seed;
      const auto r = static_cast<int>(random.NextBelow(kReplicas));
      switch (random.NextBelow(8)) {
        case 0:
          if (turn % 7 == 0) {
            book.GiveBack(r);
            got[r] = done[r] = 0;
          }
          break;
        case 1:
        case 2:
        case 3:
          if (const auto lease = book.Lease(r, static_cast<double>(random.NextBelow(40)))) {
            got[r] += lease->size();
            num_taken += lease->size();
          }
          break;
        default:
          if (got[r] > done[r]) {
            done[r] += 1 + static_cast<std::int64_t>(
                               random.NextBelow(static_cast<std::uint64_t>(got[r] - done[r])));
          }
          EXPECT_OK(book.Acknowledge(r, done[r]));
      }
    }
    EXPECT_THAT(book.Done(), ElementsAre(BatchRange{0, 500})) << seed;
    const RecordUses uses = book.Uses();
    EXPECT_EQ(uses.due, 1500);
    EXPECT_EQ(uses.never, 0);
    EXPECT_EQ(uses.once + uses.repeated, 1500);
    if (num_taken == 500) {
      EXPECT_EQ(uses.repeated, 0) << seed;
    }
  }
}

}  // namespace
}  // namespace dime::worker
