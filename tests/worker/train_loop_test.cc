#include "worker/train_loop.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/worker/small_census.h"
#include "tests/worker/small_dataset.h"
#include "worker/in_process_store.h"

namespace dime::worker {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Writes down what the loop asks of the store behind it.
class RecordingStore final : public ParameterStore {
 public:
  explicit RecordingStore(const models::Model& model)
      : store_(*InProcessStore::Create(model.tables(), /*seed=*/1)) {}

  absl::StatusOr<ops::Rows> Exchange(const Push* push, const Pull& pull) override {
    std::string call;
    if (push != nullptr) {
      EXPECT_EQ(push->lookups, looked_up_) << "gradients of other rows than the last ones";
      call += "push";
    }
    if (pull.lookups != nullptr) {
      call += call.empty() ? "pull" : "+pull";
      looked_up_ = pull.lookups;
    }
    calls.push_back(call);
    return store_->Exchange(push, pull);
  }
  [[nodiscard]] std::int64_t version() const override { return store_->version(); }
  [[nodiscard]] ps::RowAccess& rows() override { return store_->rows(); }

  InProcessStore& behind() { return *store_; }

  std::vector<std::string> calls;

 private:
  std::unique_ptr<InProcessStore> store_;
  const ops::Lookups* looked_up_ = nullptr;
};

class TrainLoopTest : public ::testing::Test {
 protected:
  std::unique_ptr<Prefetcher> Batches(std::int64_t first_batch) {
    return std::make_unique<Prefetcher>(
        model_,
        MakeBatchSource(examples_,
                        {.batch_size = 10, .num_epochs = 1, .seed = 1, .order = Order::kShuffled}),
        first_batch, /*depth=*/2);
  }

  models::Model model_{testing::SmallCensus()};
  ExampleSet examples_{testing::SmallDataset(model_, 45)};
  RecordingStore store_{model_};
  base::ThreadPool pool_{1};
};

TEST_F(TrainLoopTest, AStepPushesTheOneBeforeItWithItsOwnPull) {
  const auto batches = Batches(0);
  TrainLoop loop(model_, store_, *batches, pool_, 0);
  for (int i = 0; i < 3; ++i) ASSERT_OK(loop.Step());
  ASSERT_OK(loop.Flush());
  ASSERT_OK(loop.Flush());
  ASSERT_OK(loop.Step());
  EXPECT_THAT(store_.calls, ElementsAre("pull", "push+pull", "push+pull", "push", "pull"));
}

TEST_F(TrainLoopTest, EndsWithItsBatches) {
  const auto batches = Batches(2);
  TrainLoop loop(model_, store_, *batches, pool_, 2);
  std::vector<std::int64_t> sizes;
  for (;;) {
    ASSERT_OK_AND_ASSIGN(const bool taken, loop.Step());
    if (!taken) break;
    sizes.push_back(loop.num_examples());
  }
  EXPECT_THAT(sizes, ElementsAre(10, 10, 5));
  EXPECT_EQ(loop.step(), 5);
  ASSERT_OK(loop.Flush());  // The last gradients still wait.
  EXPECT_EQ(store_.calls.back(), "push");
}

TEST_F(TrainLoopTest, ALossThatIsNoNumberNamesTheStepAndItsGradientsAreDropped) {
  const auto batches = Batches(0);
  TrainLoop loop(model_, store_, *batches, pool_, 0);
  ASSERT_OK(loop.Step());
  ASSERT_OK(loop.Flush());
  for (ps::Table* const table : store_.behind().mutable_tables()) {
    if (table->spec().name != "linear/linear_model/bias_weights") continue;
    const float bad = std::numeric_limits<float>::quiet_NaN();
    table->CopyIn(/*part=*/0, 0, 1, &bad);
  }
  EXPECT_THAT(loop.Step(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    HasSubstr("the loss of step 2 is not a number")));
  EXPECT_EQ(loop.step(), 1);
  ASSERT_OK(loop.Flush());
  EXPECT_THAT(store_.calls, ElementsAre("pull", "push", "pull"));
}

}  // namespace
}  // namespace dime::worker
