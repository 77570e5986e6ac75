#include "worker/evaluation_job.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/census_rows.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/worker/small_census.h"
#include "worker/job_end.h"

namespace dime::worker {
namespace {

namespace fs = std::filesystem;
using ::dime::testing::SmallCensus;
using ::dime::testing::StatusIs;
using ::dime::testing::WriteCensusRows;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Observer final : public TrainingObserver {
 public:
  void OnInput(const std::string& which, std::int64_t /*num_examples*/,
               std::int64_t /*num_bad_records*/, double /*seconds*/) override {
    inputs.push_back(which);
  }
  void OnStart(std::int64_t /*first_step*/, std::int64_t /*last_step*/) override {}
  void OnProgress(const Progress& /*progress*/) override {}
  void OnCheckpoint(std::int64_t /*step*/, const std::string& /*prefix*/) override {}
  void OnEvaluation(std::int64_t step, const models::MetricValues& /*metrics*/) override {
    evaluations.push_back(step);
    if (on_evaluation) on_evaluation(step);
  }
  void OnExport(const std::string& path) override { exports.push_back(path); }

  std::function<void(std::int64_t)> on_evaluation;
  std::vector<std::string> inputs;
  std::vector<std::int64_t> evaluations;
  std::vector<std::string> exports;
};

class EvaluationJobTest : public ::testing::Test {
 protected:
  TrainingOptions Options(std::int64_t train_steps) const {
    TrainingOptions options;
    options.job_dir = directory_.File("job");
    options.train_files = {train_file_};
    options.eval_files = {eval_file_};
    options.train_steps = train_steps;
    options.train_batch_size = 10;
    options.eval_batch_size = 10;
    options.checkpoint_steps = 10;
    options.num_threads = 1;
    options.eval_name = "census-eval";
    options.export_name = "census";
    return options;
  }

  // As a chief does, which leaves evaluation to the evaluator.
  void Train(TrainingOptions options) const {
    options.eval_files.clear();
    options.export_name.clear();
    Observer nobody;
    ASSERT_OK(RunTrainingJob(SmallCensus(), options, nobody, {}));
  }

  // One that looks once, and does not wait.
  absl::StatusOr<TrainingResult> Evaluate(const TrainingOptions& options,
                                          const EvaluationWait& wait = {.patience = {}}) {
    return RunEvaluationJob(SmallCensus(), options, wait, observer_, stop_.get_token());
  }

  std::string Checkpoint(int step) const {
    return directory_.File("job/model.ckpt-" + std::to_string(step));
  }
  void Damage(int step) const {
    std::ofstream(Checkpoint(step) + ".data-00000-of-00001", std::ios::binary) << "nonsense";
  }

  const testing::TempDir directory_;
  const std::string train_file_ = WriteCensusRows(directory_.File("train.csv"), 200, 1);
  const std::string eval_file_ = WriteCensusRows(directory_.File("eval.csv"), 100, 2);
  Observer observer_;
  std::stop_source stop_;
};

TEST_F(EvaluationJobTest, TheLastCheckpointIsEvaluatedAndExportedAsByTheMaster) {
  TrainingOptions alone = Options(30);
  alone.job_dir = directory_.File("alone");
  Observer nobody;
  ASSERT_OK_AND_ASSIGN(const TrainingResult expected,
                       RunTrainingJob(SmallCensus(), alone, nobody, {}));
  Train(Options(30));
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Evaluate(Options(30)));
  EXPECT_THAT(observer_.inputs, ElementsAre("eval"));
  EXPECT_THAT(observer_.evaluations, ElementsAre(30));
  EXPECT_EQ(result.metrics, expected.metrics);
  EXPECT_EQ(result.global_step, 30);
  EXPECT_EQ(result.checkpoint, Checkpoint(30));
  EXPECT_FALSE(result.interrupted);
  EXPECT_THAT(observer_.exports, ElementsAre(result.export_dir));
  EXPECT_EQ(fs::path(result.export_dir).parent_path(), directory_.File("job/export/census"));
  EXPECT_TRUE(fs::exists(result.export_dir + "/saved_model.pb"));
  EXPECT_FALSE(fs::is_empty(directory_.File("job/eval_census-eval")));
}

TEST_F(EvaluationJobTest, EachNewerCheckpointIsEvaluatedOnceUntilTheLastOne) {
  Train(Options(20));
  observer_.on_evaluation = [&](std::int64_t step) {
    if (step < 60) Train(Options(step + 20));
  };
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Evaluate(Options(60)));
  EXPECT_THAT(observer_.evaluations, ElementsAre(20, 40, 60));
  EXPECT_EQ(observer_.exports.size(), 1u);
}

TEST_F(EvaluationJobTest, AJobWithoutALastStepEndsWhenItHasEnded) {
  TrainingOptions options = Options(0);
  options.num_epochs = 2;
  Train(options);
  ASSERT_OK(Evaluate(options));
  EXPECT_THAT(observer_.evaluations, ElementsAre(40));
  // The end of a job that was asked for less says nothing of this one.
  options.num_epochs = 3;
  EXPECT_THAT(Evaluate(options).status(), StatusIs(absl::StatusCode::kDeadlineExceeded,
                                                   HasSubstr("waits for the job's last one")));
}

TEST_F(EvaluationJobTest, AJobThatGoesOnHasNotEnded) {
  Train(Options(20));
  EXPECT_TRUE(ReadJobEnd(storage::LocalFileSystem(), directory_.File("job")));
  std::stop_source stop;
  stop.request_stop();
  Observer nobody;
  ASSERT_OK(RunTrainingJob(SmallCensus(), Options(40), nobody, stop.get_token()));
  EXPECT_FALSE(ReadJobEnd(storage::LocalFileSystem(), directory_.File("job")));
}

TEST_F(EvaluationJobTest, CheckpointsThatAreNotWholeOrGoneArePassedOver) {
  Train(Options(30));
  Damage(30);
  for (const char* const suffix : {".index", ".data-00000-of-00001"}) {
    fs::remove(Checkpoint(20) + suffix);
  }
  EXPECT_THAT(Evaluate(Options(30)).status(),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("waits for the one of step 30; the last was " +
                                       Checkpoint(10) + "; checkpoint model.ckpt-30"),
                             HasSubstr("cannot be read"))));
  EXPECT_THAT(observer_.evaluations, ElementsAre(10));
  EXPECT_THAT(observer_.exports, IsEmpty());
}

TEST_F(EvaluationJobTest, TheExportHoldsTheCheckpointThatWasEvaluatedLast) {
  // A damaged one was read after it, before it was known that the job has ended.
  Train(Options(30));
  Damage(30);
  observer_.on_evaluation = [&](std::int64_t step) {
    EXPECT_EQ(step, 20);
    ASSERT_OK(WriteJobEnd(storage::LocalFileSystem(), directory_.File("job"),
                          {.global_step = 20, .train_steps = 40}));
  };
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Evaluate(Options(40)));
  EXPECT_EQ(result.global_step, 20);
  EXPECT_THAT(observer_.exports, ElementsAre(result.export_dir));
}

TEST_F(EvaluationJobTest, WhatItHasWaitedForInVainIsNamed) {
  EXPECT_THAT(Evaluate(Options(30)).status(),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("no new checkpoint has come to " + directory_.File("job")),
                             HasSubstr("for 0 s"), HasSubstr("step 30; none has come before"))));
}

TEST_F(EvaluationJobTest, AStopEndsTheWait) {
  Train(Options(20));
  observer_.on_evaluation = [&](std::int64_t /*step*/) { stop_.request_stop(); };
  ASSERT_OK_AND_ASSIGN(const TrainingResult result,
                       Evaluate(Options(30), {.patience = std::chrono::hours(1),
                                              .between_looks = std::chrono::hours(1)}));
  EXPECT_TRUE(result.interrupted);
  EXPECT_EQ(result.global_step, 20);
  EXPECT_EQ(result.export_dir, "");
}

TEST_F(EvaluationJobTest, EvaluationsKeepTheDistanceThatIsAskedForButForTheLast) {
  TrainingOptions options = Options(40);
  options.eval_min_steps = 30;
  Train(Options(10));
  observer_.on_evaluation = [&](std::int64_t step) {
    if (step == 10) Train(Options(20));
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(Evaluate(options).status()));
  EXPECT_THAT(observer_.evaluations, ElementsAre(10));
  Train(Options(40));
  ASSERT_OK(Evaluate(options));
  EXPECT_THAT(observer_.evaluations, ElementsAre(10, 40));
}

TEST_F(EvaluationJobTest, AnotherModelsDirectoryIsRefused) {
  Train(Options(20));
  models::ModelDescription other = SmallCensus();
  other.estimator.hidden_units = {8};
  EXPECT_THAT(RunEvaluationJob(other, Options(20), {}, observer_, {}).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another model")));
}

TEST_F(EvaluationJobTest, NothingToEvaluateOnIsAnError) {
  TrainingOptions options = Options(20);
  options.eval_files.clear();
  EXPECT_TRUE(absl::IsInvalidArgument(Evaluate(options).status()));
}

}  // namespace
}  // namespace dime::worker
