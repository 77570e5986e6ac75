#include "worker/input/leased_batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/worker/numbered_batches.h"

namespace dime::worker {
namespace {

using ::testing::ElementsAre;

// Writes down when it is asked.
class ListedLeases final : public LeaseSource {
 public:
  ListedLeases(std::vector<BatchRange> leases, std::vector<std::string>& calls)
      : leases_(std::move(leases)), calls_(calls) {}

  absl::Status Ask() override {
    calls_.emplace_back("ask");
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<BatchRange>> Take() override {
    calls_.emplace_back("take");
    if (taken_ == leases_.size()) return std::nullopt;
    return leases_[taken_++];
  }

 private:
  const std::vector<BatchRange> leases_;
  std::vector<std::string>& calls_;
  std::size_t taken_ = 0;
};

TEST(LeasedBatchesTest, TakesItsLeasesBatchesAndAsksForTheNextOneAhead) {
  std::vector<std::string> calls;
  LeasedBatches batches(
      std::make_unique<NumberedBatches>(),
      std::make_unique<ListedLeases>(std::vector<BatchRange>{{3, 11}, {40, 41}}, calls));
  models::Batch batch;
  for (std::int64_t i = 0;; ++i) {
    ASSERT_OK(batches.Gather(i, &batch));
    calls.push_back(std::to_string(batch.num_examples));
    if (batch.num_examples == 0) break;
  }
  EXPECT_THAT(calls, ElementsAre("ask", "take", "3", "4", "5", "6", "7", "ask", "8", "9", "10",
                                 "take", "ask", "40", "take", "0"));
}

TEST(LeasedBatchesTest, TheMastersOwnComeFromItsBook) {
  LeaseBook book({.num_replicas = 2, .num_batches = 3});
  ReplicaMeter meter;
  LeasedBatches batches(std::make_unique<NumberedBatches>(),
                        std::make_unique<OwnLeases>(book, 1, meter));
  models::Batch batch;
  ASSERT_OK(batches.Gather(0, &batch));
  book.Lease(0, 0);
  ASSERT_OK(batches.Gather(1, &batch));
  EXPECT_EQ(batch.num_examples, 2);
  ASSERT_OK(batches.Gather(2, &batch));
  EXPECT_EQ(batch.num_examples, 0);
  EXPECT_OK(book.Acknowledge(1, 2));
  EXPECT_THAT(book.Done(), ElementsAre(BatchRange{0, 1}, BatchRange{2, 3}));
}

}  // namespace
}  // namespace dime::worker
