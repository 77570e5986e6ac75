// The training loop over real parameter servers, with the next step's rows on their way while a
// step is computed.
#include <gmock/gmock.h>

#include <limits>
#include <memory>
#include <vector>

#include "tests/ps/server_threads.h"
#include "tests/support/status_matchers.h"
#include "tests/worker/small_census.h"
#include "tests/worker/small_dataset.h"
#include "worker/server_store.h"
#include "worker/train_loop.h"

namespace dime::worker {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kNumBatches = 5;
constexpr StepPlan kAhead = {.in_common = false, .pull_ahead = true};

class PullAheadTest : public ::testing::Test {
 protected:
  PullAheadTest() {
    master_ = servers_.ConnectAndStart(0);
    store_ = *ServerStore::Connect(model_.tables(), servers_.addresses,
                                   {.credentials = {"token"}, .self = {}});
    batches_ = std::make_unique<Prefetcher>(
        model_,
        MakeBatchSource(examples_,
                        {.batch_size = 10, .num_epochs = 1, .seed = 1, .order = Order::kShuffled}),
        /*first_batch=*/0, /*depth=*/2);
  }

  // staleness()[s]: pushes that came s updates after their rows were pulled; the first three.
  std::vector<std::int64_t> Staleness() {
    const auto statistics = store_->servers().ReadStatistics();
    EXPECT_OK(statistics);
    const auto& counts = statistics->front().staleness;
    return {counts.begin(), counts.begin() + 3};
  }
  std::int64_t Version() { return store_->servers().ReadStatistics()->front().version; }

  models::Model model_{testing::SmallCensus()};
  ExampleSet examples_{testing::SmallDataset(model_, 45)};
  ps::ServerThreads servers_{model_.tables(), 2, {}};
  std::unique_ptr<ps::Client> master_;
  std::unique_ptr<ServerStore> store_;
  std::unique_ptr<Prefetcher> batches_;
  base::ThreadPool pool_{1};
};

TEST_F(PullAheadTest, EveryBatchIsPushedOnceAndRowsAreOneUpdateOld) {
  TrainLoop loop(model_, *store_, *batches_, pool_, 0, kAhead);
  std::int64_t num_examples = 0;
  int num_steps = 0;
  for (;; ++num_steps) {
    ASSERT_OK_AND_ASSIGN(const bool taken, loop.Step());
    if (!taken) break;
    num_examples += loop.num_examples();
  }
  ASSERT_OK(loop.Flush());
  EXPECT_EQ(num_steps, kNumBatches);
  EXPECT_EQ(num_examples, 45);
  EXPECT_EQ(Version(), kNumBatches);
  EXPECT_EQ(store_->meter().num_pushes(), kNumBatches);
  EXPECT_THAT(Staleness(), ElementsAre(1, kNumBatches - 1, 0));
}

TEST_F(PullAheadTest, OthersMayUseTheStoreAfterAFlush) {
  TrainLoop loop(model_, *store_, *batches_, pool_, 0, kAhead);
  for (int i = 0; i < 2; ++i) ASSERT_OK(loop.Step());
  ASSERT_OK(loop.Flush());
  EXPECT_EQ(Version(), 2);
  for (int i = 0; i < 5; ++i) {  // As an evaluation does.
    ops::Lookups lookups;
    lookups.tables.resize(model_.tables().size());
    ASSERT_OK(store_->Exchange(nullptr, {.lookups = &lookups}));
  }
  for (int i = 2; i < kNumBatches; ++i) ASSERT_OK(loop.Step());
  ASSERT_OK(loop.Flush());
  EXPECT_EQ(Version(), kNumBatches);
  // The first step, and the first one after the flush, see all updates.
  EXPECT_THAT(Staleness(), ElementsAre(2, kNumBatches - 2, 0));
}

TEST_F(PullAheadTest, AStepThatFailsLeavesTheStoreUsable) {
  // Gradients beyond all numbers make such weights of the dense tables, and a loss that is none.
  ops::Lookups lookups;
  lookups.tables.resize(model_.tables().size());
  ASSERT_OK_AND_ASSIGN(const ops::Rows rows, store_->Exchange(nullptr, {.lookups = &lookups}));
  ops::Gradients gradients;
  for (const auto& values : rows.tables) {
    gradients.tables.emplace_back(values.size(), std::numeric_limits<float>::infinity());
  }
  const Push push = {.step = 1, .lookups = &lookups, .gradients = &gradients};
  ASSERT_OK(store_->Exchange(&push, {}));
  TrainLoop loop(model_, *store_, *batches_, pool_, 0, kAhead);
  absl::Status status;
  for (int i = 0; i < kNumBatches && status.ok(); ++i) status = loop.Step().status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("diverged")));
  EXPECT_OK(store_->servers().ReadStatistics());
}

}  // namespace
}  // namespace dime::worker
