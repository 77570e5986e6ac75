#include "worker/training_job.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "models/predictor.h"
#include "runtime/records/events.h"
#include "tests/support/census_rows.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/worker/small_census.h"
#include "worker/in_process_store.h"
#include "worker/job_directory.h"

namespace dime::worker {
namespace {

namespace fs = std::filesystem;
using ::dime::testing::SmallCensus;
using ::dime::testing::StatusIs;
using ::dime::testing::WriteCensusRows;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

class RecordingObserver final : public TrainingObserver {
 public:
  void OnInput(const std::string& which, std::int64_t num_examples, std::int64_t num_bad_records,
               double seconds) override {
    EXPECT_GE(seconds, 0);
    inputs.push_back(fmt::format("{}: {} good, {} bad", which, num_examples, num_bad_records));
  }
  void OnStart(std::int64_t first_step, std::int64_t last_step) override {
    starts.emplace_back(first_step, last_step);
  }
  void OnProgress(const Progress& progress) override { EXPECT_GT(progress.step, 0); }
  void OnCheckpoint(std::int64_t step, const std::string& prefix) override {
    EXPECT_TRUE(fs::exists(prefix + ".index"));
    checkpoints.push_back(step);
    if (on_checkpoint) on_checkpoint(step);
  }
  void OnEvaluation(std::int64_t step, const models::MetricValues& metrics) override {
    EXPECT_FALSE(metrics.empty());
    evaluations.push_back(step);
  }
  void OnExport(const std::string& path) override { exports.push_back(path); }

  std::function<void(std::int64_t)> on_checkpoint;
  std::vector<std::string> inputs;
  std::vector<std::pair<std::int64_t, std::int64_t>> starts;
  std::vector<std::int64_t> checkpoints;
  std::vector<std::int64_t> evaluations;
  std::vector<std::string> exports;
};

class TrainingJobTest : public ::testing::Test {
 protected:
  TrainingOptions Options(const std::string& name) const {
    TrainingOptions options;
    options.job_dir = directory_.File(name);
    options.train_files = {train_file_};
    options.eval_files = {eval_file_};
    options.train_steps = 30;
    options.train_batch_size = 10;
    options.eval_batch_size = 10;
    options.num_threads = 1;
    options.eval_name = "census-eval";
    options.export_name = "census";
    return options;
  }

  absl::StatusOr<TrainingResult> Run(const TrainingOptions& options) {
    observer_ = RecordingObserver();
    return RunTrainingJob(SmallCensus(), options, observer_, {});
  }

  // Runs until the checkpoint of `step` is written, and is stopped then: training went on
  // meanwhile, but not beyond the next checkpoint.
  absl::StatusOr<TrainingResult> RunAndStopAt(const TrainingOptions& options, std::int64_t step) {
    std::stop_source stop;
    observer_ = RecordingObserver();
    observer_.on_checkpoint = [&](std::int64_t saved) {
      if (saved == step) stop.request_stop();
    };
    return RunTrainingJob(SmallCensus(), options, observer_, stop.get_token());
  }

  static std::string Read(const std::string& path) {
    std::stringstream contents;
    contents << std::ifstream(path, std::ios::binary).rdbuf();
    return contents.str();
  }
  static std::string CheckpointBytes(const std::string& prefix) {
    const std::string data = Read(prefix + ".data-00000-of-00001");
    EXPECT_FALSE(data.empty()) << prefix;
    return Read(prefix + ".index") + data;
  }

  // The events of all files in a directory, by file name.
  static std::vector<records::Event> Events(const std::string& directory) {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().filename().string().find("tfevents") != std::string::npos) {
        files.push_back(entry.path());
      }
    }
    std::ranges::sort(files);
    std::vector<records::Event> events;
    for (const std::string& file : files) {
      auto read = records::ReadEvents(Read(file));
      EXPECT_OK(read);
      if (read.ok()) events.insert(events.end(), read->begin(), read->end());
    }
    return events;
  }
  static std::vector<std::int64_t> StepsOf(const std::vector<records::Event>& events,
                                           const std::string& tag) {
    std::vector<std::int64_t> steps;
    for (const records::Event& event : events) {
      const bool has_scalar = std::ranges::count(event.scalars, tag, &records::Scalar::tag) > 0;
      if (has_scalar || std::ranges::count(event.histogram_tags, tag) > 0) {
        steps.push_back(event.step);
      }
    }
    return steps;
  }

  testing::TempDir directory_;
  std::string train_file_ = WriteCensusRows(directory_.File("train.csv"), 103, /*seed=*/1);
  std::string eval_file_ = WriteCensusRows(directory_.File("eval.csv"), 57, /*seed=*/2);
  RecordingObserver observer_;
};

TEST_F(TrainingJobTest, TrainsCheckpointsEvaluatesAndExports) {
  const TrainingOptions options = Options("job");
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Run(options));
  EXPECT_EQ(result.first_step, 0);
  EXPECT_EQ(result.global_step, 30);
  EXPECT_FALSE(result.interrupted);
  EXPECT_TRUE(std::isfinite(result.final_loss));
  EXPECT_GT(result.steps_per_second, 0);
  EXPECT_EQ(result.checkpoint, options.job_dir + "/model.ckpt-30");
  EXPECT_THAT(result.metrics,
              Contains(Pair("accuracy", ::testing::AllOf(::testing::Ge(0.0), ::testing::Le(1.0)))));
  std::vector<std::string> phases;
  for (const auto& [phase, seconds] : result.phase_seconds) phases.push_back(phase);
  EXPECT_THAT(phases, ElementsAre("input", "restore", "checkpoint", "train", "evaluate", "export"));

  EXPECT_THAT(observer_.inputs, ElementsAre("train: 103 good, 0 bad", "eval: 57 good, 0 bad"));
  EXPECT_THAT(observer_.starts, ElementsAre(Pair(0, 30)));
  EXPECT_THAT(observer_.checkpoints, ElementsAre(0, 30));
  EXPECT_THAT(observer_.evaluations, ElementsAre(30));
  EXPECT_THAT(observer_.exports, ElementsAre(result.export_dir));
  EXPECT_THAT(result.export_dir, StartsWith(options.job_dir + "/export/census/"));
  ASSERT_OK(models::Predictor::Load(storage::LocalFileSystem(), result.export_dir));
}

TEST_F(TrainingJobTest, TrainingLowersTheLoss) {
  TrainingOptions options = Options("job");
  options.train_steps = 1;
  ASSERT_OK_AND_ASSIGN(const TrainingResult first, Run(options));
  options.train_steps = 400;
  ASSERT_OK_AND_ASSIGN(const TrainingResult second, Run(options));
  const auto average_loss = [](const TrainingResult& result) {
    return std::ranges::find(result.metrics, "average_loss",
                             &models::MetricValues::value_type::first)
        ->second;
  };
  EXPECT_LT(average_loss(second), 0.75 * average_loss(first));
}

TEST_F(TrainingJobTest, AResumedRunEndsInTheBytesOfAnUninterruptedOne) {
  TrainingOptions options = Options("whole");
  options.train_steps = 300;
  ASSERT_OK_AND_ASSIGN(const TrainingResult whole, Run(options));
  const std::string expected = CheckpointBytes(whole.checkpoint);
  for (const int num_threads : {1, 2, 3}) {
    SCOPED_TRACE(num_threads);
    options.job_dir = directory_.File(fmt::format("parts-{}", num_threads));
    options.num_threads = num_threads;
    options.train_steps = 120;
    ASSERT_OK(Run(options));
    options.train_steps = 300;
    ASSERT_OK_AND_ASSIGN(const TrainingResult resumed, Run(options));
    EXPECT_EQ(resumed.first_step, 120);
    EXPECT_TRUE(CheckpointBytes(resumed.checkpoint) == expected);
  }
}

TEST_F(TrainingJobTest, AnInterruptedRunEndsInTheBytesOfAnUninterruptedOne) {
  TrainingOptions options = Options("whole");
  options.train_steps = 300;
  ASSERT_OK_AND_ASSIGN(const TrainingResult whole, Run(options));
  options.job_dir = directory_.File("parts");
  options.checkpoint_steps = 40;
  std::int64_t stopped_at = 0;
  for (const int step : {0, 40, 200}) {
    ASSERT_OK_AND_ASSIGN(const TrainingResult part, RunAndStopAt(options, step));
    EXPECT_TRUE(part.interrupted);
    stopped_at = part.global_step;
    EXPECT_GE(stopped_at, step);
    EXPECT_LE(stopped_at, step + 40);
    EXPECT_EQ(part.checkpoint, options.job_dir + fmt::format("/model.ckpt-{}", stopped_at));
  }
  ASSERT_OK_AND_ASSIGN(const TrainingResult last, Run(options));
  EXPECT_EQ(last.first_step, stopped_at);
  EXPECT_TRUE(CheckpointBytes(last.checkpoint) == CheckpointBytes(whole.checkpoint));
}

// As little as makes the examples go to a scratch file, in many windows.
constexpr std::uint64_t kLittleMemory = 2000;

TEST_F(TrainingJobTest, OutOfMemoryTooAResumedRunEndsInTheBytesOfAnUninterruptedOne) {
  TrainingOptions options = Options("whole");
  options.train_steps = 300;
  options.input_memory = kLittleMemory;
  ASSERT_OK_AND_ASSIGN(const TrainingResult whole, Run(options));
  options.job_dir = directory_.File("parts");
  options.checkpoint_steps = 40;
  std::int64_t stopped_at = 0;
  for (const int step : {0, 40, 200}) {
    options.num_threads = 1 + step / 40;
    ASSERT_OK_AND_ASSIGN(const TrainingResult part, RunAndStopAt(options, step));
    EXPECT_TRUE(part.interrupted);
    stopped_at = part.global_step;
    options.input_memory.reset();  // The directory knows.
  }
  ASSERT_OK_AND_ASSIGN(const TrainingResult last, Run(options));
  EXPECT_EQ(last.first_step, stopped_at);
  EXPECT_TRUE(CheckpointBytes(last.checkpoint) == CheckpointBytes(whole.checkpoint));
  for (const auto& entry : fs::directory_iterator(options.job_dir)) {
    EXPECT_THAT(entry.path().filename().string(), Not(StartsWith(".dime-part")));
  }
}

TEST_F(TrainingJobTest, ExamplesInOrderGiveTheSameBytesFromMemoryAndFromDisk) {
  TrainingOptions options = Options("memory");
  options.order = Order::kAsRead;
  options.train_steps = 300;
  ASSERT_OK_AND_ASSIGN(const TrainingResult memory, Run(options));
  options.job_dir = directory_.File("disk");
  options.input_memory = kLittleMemory;
  ASSERT_OK_AND_ASSIGN(const TrainingResult disk, Run(options));
  EXPECT_TRUE(CheckpointBytes(memory.checkpoint) == CheckpointBytes(disk.checkpoint));
  EXPECT_EQ(memory.metrics, disk.metrics);
  EXPECT_FALSE(disk.export_dir.empty());
}

TEST_F(TrainingJobTest, AnEpochFromDiskEndsWhereOneFromMemoryDoes) {
  TrainingOptions options = Options("job");
  options.train_steps = 0;
  options.num_epochs = 2;
  options.input_memory = kLittleMemory;
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Run(options));
  EXPECT_EQ(result.global_step, 21);  // 206 examples in batches of 10.
}

TEST_F(TrainingJobTest, ASeedAloneDecidesTheBytes) {
  TrainingOptions options = Options("first");
  options.seed = 7;
  ASSERT_OK_AND_ASSIGN(const TrainingResult first, Run(options));
  options.job_dir = directory_.File("second");
  ASSERT_OK_AND_ASSIGN(const TrainingResult second, Run(options));
  options.job_dir = directory_.File("third");
  options.seed = 8;
  ASSERT_OK_AND_ASSIGN(const TrainingResult third, Run(options));
  EXPECT_TRUE(CheckpointBytes(first.checkpoint) == CheckpointBytes(second.checkpoint));
  EXPECT_FALSE(CheckpointBytes(first.checkpoint) == CheckpointBytes(third.checkpoint));
}

TEST_F(TrainingJobTest, AnInterruptedRunIsNeitherEvaluatedNorExported) {
  TrainingOptions options = Options("job");
  options.checkpoint_steps = 10;
  options.eval_interval = std::chrono::seconds(0);
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, RunAndStopAt(options, 0));
  EXPECT_TRUE(result.interrupted);
  EXPECT_THAT(result.metrics, IsEmpty());
  EXPECT_EQ(result.export_dir, "");
  EXPECT_THAT(observer_.evaluations, IsEmpty());
  EXPECT_FALSE(fs::exists(options.job_dir + "/export"));
}

TEST_F(TrainingJobTest, AStopBeforeTheStartLeavesNoCheckpoint) {
  std::stop_source stop;
  stop.request_stop();
  const TrainingOptions options = Options("job");
  ASSERT_OK_AND_ASSIGN(const TrainingResult result,
                       RunTrainingJob(SmallCensus(), options, observer_, stop.get_token()));
  EXPECT_TRUE(result.interrupted);
  EXPECT_EQ(result.global_step, 0);
  EXPECT_EQ(result.checkpoint, "");
  EXPECT_FALSE(fs::exists(options.job_dir + "/checkpoint"));
}

TEST_F(TrainingJobTest, TheEndOfTheClusterEndsTheReadingWithAnError) {
  std::stop_source cluster;
  cluster.request_stop();
  TrainingOptions options = Options("job");
  options.cluster.stop = cluster.get_token();
  EXPECT_THAT(Run(options), StatusIs(absl::StatusCode::kCancelled, HasSubstr("stop")));
  EXPECT_THAT(observer_.inputs, IsEmpty());
}

TEST_F(TrainingJobTest, TheEndOfTheClusterEndsAnEvaluationWithAnError) {
  std::stop_source cluster;
  TrainingOptions options = Options("job");
  options.cluster.stop = cluster.get_token();
  observer_.on_checkpoint = [&](std::int64_t step) {
    if (step == options.train_steps) cluster.request_stop();
  };
  EXPECT_THAT(RunTrainingJob(SmallCensus(), options, observer_, {}),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("stop")));
  EXPECT_THAT(observer_.evaluations, IsEmpty());
}

TEST_F(TrainingJobTest, AtItsLastStepAJobIsOnlyEvaluatedAndExported) {
  const TrainingOptions options = Options("job");
  ASSERT_OK(Run(options));
  ASSERT_OK_AND_ASSIGN(const TrainingResult again, Run(options));
  EXPECT_EQ(again.first_step, 30);
  EXPECT_EQ(again.global_step, 30);
  EXPECT_EQ(again.steps_per_second, 0);
  EXPECT_EQ(again.checkpoint, options.job_dir + "/model.ckpt-30");
  EXPECT_THAT(observer_.starts, ElementsAre(Pair(30, 30)));
  EXPECT_THAT(observer_.checkpoints, IsEmpty());
  EXPECT_THAT(observer_.evaluations, ElementsAre(30));
  EXPECT_THAT(observer_.exports, ElementsAre(again.export_dir));
}

TEST_F(TrainingJobTest, EpochsEndTraining) {
  TrainingOptions options = Options("job");
  options.train_steps = 0;
  options.num_epochs = 2;  // 206 records in batches of 10.
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Run(options));
  EXPECT_EQ(result.global_step, 21);
  EXPECT_THAT(observer_.starts, ElementsAre(Pair(0, 21)));

  options.train_steps = 15;
  options.job_dir = directory_.File("steps-first");
  ASSERT_OK_AND_ASSIGN(const TrainingResult shorter, Run(options));
  EXPECT_EQ(shorter.global_step, 15);
}

TEST_F(TrainingJobTest, WithoutALimitAJobRunsUntilItIsStopped) {
  TrainingOptions options = Options("job");
  options.train_steps = 0;
  options.checkpoint_steps = 50;
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, RunAndStopAt(options, 100));
  EXPECT_GE(result.global_step, 100);
  EXPECT_LE(result.global_step, 150);
  EXPECT_TRUE(result.interrupted);
  EXPECT_THAT(observer_.starts, ElementsAre(Pair(0, 0)));
}

TEST_F(TrainingJobTest, CheckpointsAreTakenEverySoManySteps) {
  TrainingOptions options = Options("job");
  options.checkpoint_steps = 10;
  ASSERT_OK(Run(options));
  EXPECT_THAT(observer_.checkpoints, ElementsAre(0, 10, 20, 30));
}

TEST_F(TrainingJobTest, CheckpointsThatAreDueWhileOneIsWrittenComeWhenItIs) {
  TrainingOptions options = Options("job");
  options.checkpoint_interval = std::chrono::seconds(0);
  options.train_steps = 1000;
  ASSERT_OK(Run(options));
  const std::vector<std::int64_t>& checkpoints = observer_.checkpoints;
  EXPECT_THAT(std::vector(checkpoints.begin(), checkpoints.begin() + 2), ElementsAre(0, 1));
  EXPECT_EQ(checkpoints.back(), 1000);
  EXPECT_GT(checkpoints.size(), 3u);
  EXPECT_TRUE(std::ranges::is_sorted(checkpoints, std::ranges::less_equal()));
}

TEST_F(TrainingJobTest, EvaluationsKeepTheirDistanceInSteps) {
  TrainingOptions options = Options("job");
  options.checkpoint_steps = 5;
  options.eval_interval = std::chrono::seconds(0);
  options.eval_min_steps = 12;
  ASSERT_OK(Run(options));
  EXPECT_THAT(observer_.evaluations, ElementsAre(15, 30));
}

TEST_F(TrainingJobTest, EvaluationsKeepTheirDistanceInTime) {
  TrainingOptions options = Options("job");
  options.checkpoint_steps = 5;
  options.eval_interval = std::chrono::hours(1);
  ASSERT_OK(Run(options));
  EXPECT_THAT(observer_.evaluations, ElementsAre(5, 30));
}

TEST_F(TrainingJobTest, NoEvaluationButTheLastComesBeforeTheDelayIsOver) {
  TrainingOptions options = Options("job");
  options.checkpoint_steps = 5;
  options.eval_interval = std::chrono::seconds(0);
  options.eval_delay = std::chrono::hours(1);
  ASSERT_OK(Run(options));
  EXPECT_THAT(observer_.evaluations, ElementsAre(30));
}

TEST_F(TrainingJobTest, EvaluationsOnTheWayDoNotChangeTheResult) {
  TrainingOptions options = Options("plain");
  ASSERT_OK_AND_ASSIGN(const TrainingResult plain, Run(options));
  options.job_dir = directory_.File("evaluated");
  options.checkpoint_steps = 7;
  options.eval_interval = std::chrono::seconds(0);
  ASSERT_OK_AND_ASSIGN(const TrainingResult evaluated, Run(options));
  EXPECT_TRUE(CheckpointBytes(plain.checkpoint) == CheckpointBytes(evaluated.checkpoint));
  EXPECT_EQ(plain.metrics, evaluated.metrics);
  EXPECT_EQ(plain.final_loss, evaluated.final_loss);
}

TEST_F(TrainingJobTest, WithoutEvaluationFilesOrExportNameThereIsNeither) {
  TrainingOptions options = Options("job");
  options.eval_files.clear();
  options.export_name.clear();
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Run(options));
  EXPECT_THAT(result.metrics, IsEmpty());
  EXPECT_EQ(result.export_dir, "");
  EXPECT_FALSE(fs::exists(options.job_dir + "/eval_census-eval"));
}

TEST_F(TrainingJobTest, AMissingEvaluationFileIsFoundBeforeTraining) {
  TrainingOptions options = Options("job");
  options.eval_files.push_back(directory_.File("missing.csv"));
  EXPECT_THAT(Run(options), StatusIs(absl::StatusCode::kNotFound, HasSubstr("missing.csv")));
  EXPECT_THAT(observer_.starts, IsEmpty());

  options.eval_files = {directory_.File("*.tsv")};
  EXPECT_THAT(Run(options), StatusIs(absl::StatusCode::kNotFound, HasSubstr("*.tsv")));
}

TEST_F(TrainingJobTest, ABadEvaluationFileEndsTheJobButNotTheCheckpoint) {
  std::ofstream(eval_file_, std::ios::app) << "not, a, record\n";
  TrainingOptions options = Options("job");
  const auto result = Run(options);
  EXPECT_THAT(result.status().ToString(), HasSubstr("eval.csv:58"));
  options.max_bad_records = 1;
  ASSERT_OK_AND_ASSIGN(const TrainingResult resumed, Run(options));
  EXPECT_EQ(resumed.bad_records, 1);
  EXPECT_THAT(observer_.inputs, Contains("eval: 57 good, 1 bad"));
  EXPECT_THAT(observer_.evaluations, ElementsAre(30));
}

TEST_F(TrainingJobTest, GoingOnWithOtherDataIsLogged) {
  TrainingOptions options = Options("job");
  options.train_steps = 10;
  ASSERT_OK(Run(options));
  const std::string more = WriteCensusRows(directory_.File("more.csv"), 5, /*seed=*/3);
  options.train_files.push_back(more);
  options.train_steps = 20;
  ::testing::internal::CaptureStderr();
  ASSERT_OK(Run(options));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::ContainsRegex("103 records in .* are 108 in"));
}

TEST_F(TrainingJobTest, BadTrainingRecordsAreCounted) {
  std::ofstream(train_file_, std::ios::app) << "not, a, record\n";
  TrainingOptions options = Options("job");
  EXPECT_THAT(Run(options).status().ToString(), HasSubstr("train.csv:104"));
  options.max_bad_records = 1;
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Run(options));
  EXPECT_EQ(result.bad_records, 1);
  EXPECT_EQ(result.global_step, 30);
}

TEST_F(TrainingJobTest, TheLimitOfBadRecordsHoldsForEachSetAlone) {
  for (const std::string& file : {train_file_, eval_file_}) {
    std::ofstream(file, std::ios::app) << "not, a, record\n";
  }
  TrainingOptions options = Options("job");
  options.max_bad_records = 1;
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Run(options));
  EXPECT_EQ(result.bad_records, 2);
}

TEST_F(TrainingJobTest, DivergenceStopsTrainingAndIsNotSaved) {
  models::ModelDescription description = SmallCensus();
  description.estimator.dnn_optimizer.learning_rate = 1e30f;
  TrainingOptions options = Options("job");
  options.checkpoint_steps = 1;
  const auto result = RunTrainingJob(description, options, observer_, {});
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr("diverged"), HasSubstr("step "),
                                     HasSubstr(options.job_dir + "/model.ckpt-"))));
  EXPECT_THAT(observer_.exports, IsEmpty());
  const models::Model model(description);
  ASSERT_OK_AND_ASSIGN(const auto job_directory,
                       JobDirectory::Open(options.job_dir, model, {}, {}));
  ASSERT_OK_AND_ASSIGN(const auto store, InProcessStore::Create(model.tables(), /*seed=*/1));
  ASSERT_OK(job_directory->Restore(store->checkpointer()));
  for (const ps::Table* const table : store->tables()) {
    for (std::int64_t row = 0; row < table->spec().num_rows; ++row) {
      for (const float weight : table->weights(row)) ASSERT_TRUE(std::isfinite(weight));
    }
  }
}

TEST_F(TrainingJobTest, TrainingGoesOnWhenACheckpointOnTheWayFails) {
  TrainingOptions options = Options("plain");
  ASSERT_OK_AND_ASSIGN(const TrainingResult plain, Run(options));
  options.job_dir = directory_.File("obstacles");
  options.checkpoint_steps = 10;
  fs::create_directories(options.job_dir + "/model.ckpt-10.data-00000-of-00001");
  fs::create_directories(options.job_dir + "/model.ckpt-20.index");
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Run(options));
  EXPECT_THAT(observer_.checkpoints, ElementsAre(0, 30));
  EXPECT_TRUE(CheckpointBytes(result.checkpoint) == CheckpointBytes(plain.checkpoint));
  EXPECT_THAT(Read(options.job_dir + "/checkpoint"), Not(HasSubstr("model.ckpt-20")));
}

TEST_F(TrainingJobTest, AFailedLastCheckpointIsAnErrorAndTheOneBeforeStays) {
  TrainingOptions options = Options("job");
  options.checkpoint_steps = 20;
  const std::string obstacle = options.job_dir + "/model.ckpt-30.data-00000-of-00001";
  fs::create_directories(obstacle);
  EXPECT_THAT(Run(options),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr(obstacle), HasSubstr("no checkpoint after step 30"),
                             HasSubstr("goes on from " + options.job_dir + "/model.ckpt-20"))));
  EXPECT_THAT(observer_.exports, IsEmpty());
  fs::remove(obstacle);
  ASSERT_OK_AND_ASSIGN(const TrainingResult resumed, Run(options));
  EXPECT_EQ(resumed.first_step, 20);
  EXPECT_EQ(resumed.global_step, 30);
}

TEST_F(TrainingJobTest, ADamagedCheckpointIsTrainedAgainToTheSameBytes) {
  TrainingOptions options = Options("job");
  options.checkpoint_steps = 20;
  ASSERT_OK_AND_ASSIGN(const TrainingResult first, Run(options));
  const std::string expected = CheckpointBytes(first.checkpoint);
  fs::resize_file(first.checkpoint + ".data-00000-of-00001", 100);
  ASSERT_OK_AND_ASSIGN(const TrainingResult second, Run(options));
  EXPECT_EQ(second.first_step, 20);
  EXPECT_TRUE(CheckpointBytes(second.checkpoint) == expected);
}

TEST_F(TrainingJobTest, OnlyWhoGoesOnFromLeasesReadsTheirPage) {
  TrainingOptions options = Options("job");
  const auto damage = [&] { std::ofstream(options.job_dir + "/dime/leases") << "no leases"; };
  options.train_steps = 10;
  ASSERT_OK(Run(options));
  options.train_steps = 20;
  damage();
  EXPECT_OK(Run(options));  // In sync.
  options.train_steps = 30;
  options.cluster.consistency.kind = cluster::Consistency::Kind::kAsync;
  damage();
  EXPECT_THAT(Run(options), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("dime/leases")));
  options.job_dir = directory_.File("new");
  fs::create_directories(options.job_dir + "/dime");
  damage();
  EXPECT_OK(Run(options));
}

TEST_F(TrainingJobTest, AnotherModelsDirectoryIsRefused) {
  TrainingOptions options = Options("job");
  ASSERT_OK(Run(options));
  models::ModelDescription description = SmallCensus();
  description.estimator.hidden_units = {5};
  EXPECT_THAT(RunTrainingJob(description, options, observer_, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another model")));
}

TEST_F(TrainingJobTest, TrainingEventsHaveTensorFlowsTagsAndSteps) {
  TrainingOptions options = Options("job");
  options.train_steps = 25;
  options.summary_steps = 10;
  ASSERT_OK(Run(options));
  const std::vector<records::Event> events = Events(options.job_dir);
  for (const char* const tag :
       {"loss", "linear/bias", "dnn/dnn/hiddenlayer_0/fraction_of_zero_values",
        "dnn/dnn/hiddenlayer_1/activation", "dnn/dnn/logits/activation",
        "linear/linear/activation"}) {
    EXPECT_THAT(StepsOf(events, tag), ElementsAre(1, 11, 21)) << tag;
  }
  EXPECT_THAT(StepsOf(events, "global_step/sec"), ElementsAre(11, 21));
  EXPECT_THAT(StepsOf(events, "average_loss"), IsEmpty());
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.front().file_version, "brain.Event:2");
  EXPECT_EQ(events.back().step, 25);  // The session log names the last checkpoint.
}

TEST_F(TrainingJobTest, ASummedLossIsAveragedInASummaryOfItsOwn) {
  models::ModelDescription description = SmallCensus();
  description.estimator.loss_reduction = models::LossReduction::kSum;
  TrainingOptions options = Options("job");
  ASSERT_OK(RunTrainingJob(description, options, observer_, {}));
  EXPECT_THAT(StepsOf(Events(options.job_dir), "average_loss"), ElementsAre(1));
}

TEST_F(TrainingJobTest, EvaluationEventsHoldTheMetricsAtTheirStep) {
  TrainingOptions options = Options("job");
  options.checkpoint_steps = 20;
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Run(options));
  const std::vector<records::Event> events = Events(options.job_dir + "/eval_census-eval");
  EXPECT_THAT(StepsOf(events, "global_step"), IsEmpty());
  for (const auto& [name, value] : result.metrics) {
    EXPECT_THAT(StepsOf(events, name), ElementsAre(20, 30)) << name;
  }
}

TEST_F(TrainingJobTest, EventsThatCannotBeWrittenDoNotStopTheJob) {
  TrainingOptions options = Options("job");
  fs::create_directories(options.job_dir);
  std::ofstream(options.job_dir + "/eval_census-eval") << "a file in the directory's place";
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Run(options));
  EXPECT_THAT(result.metrics, Not(IsEmpty()));
}

TEST_F(TrainingJobTest, ImpossibleOptionsAreRefused) {
  const std::pair<const char*, std::function<void(TrainingOptions&)>> changes[] = {
      {"job directory", [](TrainingOptions& options) { options.job_dir.clear(); }},
      {"training files", [](TrainingOptions& options) { options.train_files.clear(); }},
      {"training steps", [](TrainingOptions& options) { options.train_steps = -1; }},
      {"epochs", [](TrainingOptions& options) { options.num_epochs = -1; }},
      {"training batch size", [](TrainingOptions& options) { options.train_batch_size = 0; }},
      {"evaluation batch size", [](TrainingOptions& options) { options.eval_batch_size = 0; }},
      {"checkpoints to keep", [](TrainingOptions& options) { options.max_checkpoints = 0; }},
      {"threads", [](TrainingOptions& options) { options.num_threads = -1; }},
      {"'a/b'", [](TrainingOptions& options) { options.export_name = "a/b"; }},
      {"'..'", [](TrainingOptions& options) { options.export_name = ".."; }},
      {"'../x'", [](TrainingOptions& options) { options.eval_name = "../x"; }},
  };
  for (const auto& [message, change] : changes) {
    TrainingOptions options = Options("job");
    change(options);
    EXPECT_THAT(Run(options), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
    EXPECT_FALSE(fs::exists(directory_.File("job"))) << message;
  }
}

}  // namespace
}  // namespace dime::worker
