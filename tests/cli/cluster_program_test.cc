// Jobs of several processes, as users start them: what they compute, and how they end.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cli/training_words.h"
#include "tests/support/census_rows.h"
#include "tests/support/checkpoint_variables.h"
#include "tests/support/eventually.h"
#include "tests/support/process.h"
#include "tests/support/replica_processes.h"
#include "tests/support/temp_dir.h"

namespace dime::cli {
namespace {

using ::dime::testing::Ended;
using ::dime::testing::Eventually;
using ::dime::testing::Process;
using ::dime::testing::ReplicasOf;
using ::dime::testing::SignalReplica;
using ::dime::testing::TempDir;
using ::dime::testing::WriteCensusRows;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ClusterProgramTest : public ::testing::Test {
 protected:
  std::vector<std::string> Train(const std::string& job, const std::vector<std::string>& own,
                                 int num_steps) {
    std::vector<std::string> flags = {"--format", "json",
                                      "--export-name=", "--max-checkpoints=100"};
    flags.insert(flags.end(), own.begin(), own.end());
    return TrainingWords(JobDir(job), flags, rows_,
                         {"--eval-files", rows_, "--train-steps", std::to_string(num_steps)});
  }
  nlohmann::json Dime(const std::vector<std::string>& words) {
    const Ended ended = Process(dir_, words).Wait();
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return nlohmann::json::parse(ended.out, nullptr, /*allow_exceptions=*/false);
  }
  [[nodiscard]] std::string JobDir(const std::string& job) const { return dir_.File(job); }
  [[nodiscard]] std::string Variables(const std::string& job, int step) const {
    return dime::testing::CheckpointVariables(fmt::format("{}/model.ckpt-{}", JobDir(job), step));
  }

  const TempDir dir_;
  const std::string rows_ = WriteCensusRows(dir_.File("rows.csv"), 700);
};

const std::vector<std::string> kStandard = {"--scale-tier", "STANDARD_1",      "--consistency",
                                            "sync",         "--micro-batches", "5"};

TEST_F(ClusterProgramTest, SyncWritesTheSameBytesOnEveryCluster) {
  const std::vector<std::vector<std::string>> clusters = {
      {"--micro-batches", "5"},
      kStandard,
      {"--distributed", "--worker-count", "2", "--parameter-server-count", "1", "--consistency",
       "sync", "--micro-batches", "5"},
      {"--distributed", "--worker-count", "1", "--parameter-server-count", "11", "--consistency",
       "sync", "--micro-batches", "5"},
      {"--scale-tier", "STANDARD_1", "--dense", "allreduce", "--micro-batches", "5"},
      {"--distributed", "--worker-count", "2", "--parameter-server-count", "1", "--dense",
       "allreduce", "--micro-batches", "5"},
  };
  std::vector<nlohmann::json> results;
  for (std::size_t c = 0; c < clusters.size(); ++c) {
    const std::string job = std::to_string(c);
    std::vector<std::string> own = clusters[c];
    own.insert(own.end(), {"--checkpoint-steps", "17"});
    results.push_back(Dime(Train(job, own, 40)));
    EXPECT_EQ(results.back()["global_step"], 40);
    EXPECT_EQ(results.back()["metrics"], results.front()["metrics"]) << c;
    for (const int step : {0, 17, 34, 40}) {
      ASSERT_FALSE(Variables(job, step).empty()) << c << ", step " << step;
      EXPECT_TRUE(Variables(job, step) == Variables("0", step)) << c << ", step " << step;
    }
  }
}

// A page that gives the job an evaluator beside `others`.
std::string WriteEvaluatorPage(const std::string& path, const std::string& others = "") {
  std::ofstream(path) << "trainingInput:\n  scaleTier: CUSTOM\n  masterType: standard\n"
                      << "  evaluatorType: standard\n  evaluatorCount: 1\n"
                      << others;
  return path;
}
constexpr char kWorkerAndServer[] =
    "  workerType: standard\n  workerCount: 1\n"
    "  parameterServerType: standard\n  parameterServerCount: 1\n";

TEST_F(ClusterProgramTest, AnEvaluatorIsAProcessOfItsOwnThatTheMasterAwaits) {
  for (const std::string others : {"", kWorkerAndServer}) {
    const std::string job = "job" + std::to_string(others.size());
    const std::string page = WriteEvaluatorPage(dir_.File("config.yaml"), others);
    const Ended ended =
        Process(dir_, Train(job, {"--config", page, "--export-name", "census"}, 30)).Wait();
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr("evaluator-0: evaluation after step 30"));
    EXPECT_TRUE(nlohmann::json::parse(ended.out)["metrics"].empty());
    EXPECT_TRUE(std::filesystem::exists(JobDir(job) + "/eval_census-eval"));
    EXPECT_TRUE(std::filesystem::exists(JobDir(job) + "/export/census"));
  }
}

TEST_F(ClusterProgramTest, AnEvaluatorThatIsKilledIsStartedAgainAlone) {
  const std::string page = WriteEvaluatorPage(dir_.File("config.yaml"), kWorkerAndServer);
  Process master(dir_, Train("job", {"--config", page, "--max-restarts=0"}, 3000));
  ASSERT_TRUE(
      Eventually([&] { return SignalReplica(JobDir("job"), "evaluator-0", SIGKILL) == 1; }));
  const Ended ended = master.Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err,
              AllOf(HasSubstr("evaluator-0 was ended by signal 9 (Killed): it is started again"),
                    HasSubstr("evaluator-0: evaluation after step 3000")));
}

TEST_F(ClusterProgramTest, AJobThatIsTrainedIsNotRunAgainForItsEvaluator) {
  const std::string page = WriteEvaluatorPage(dir_.File("config.yaml"));
  std::filesystem::create_directory(JobDir("job"));
  std::ofstream(JobDir("job") + "/export") << "where the evaluator needs a directory";
  const Ended ended =
      Process(dir_, Train("job", {"--config", page, "--export-name", "census"}, 30)).Wait();
  EXPECT_EQ(ended.exit_code, 74) << ended.err;
  EXPECT_THAT(ended.err,
              AllOf(HasSubstr("the job is trained, but evaluator-0 ended with exit code"),
                    Not(HasSubstr("from its last checkpoint"))));
}

TEST_F(ClusterProgramTest, AJobDirectoryInUseEndsTheSecondJobAtOnce) {
  Process first(dir_, Train("job", kStandard, 10'000'000));
  ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(JobDir("job") + "/checkpoint"); }));
  const Ended second = Process(dir_, Train("job", kStandard, 10)).Wait();
  EXPECT_EQ(second.exit_code, 69);
  EXPECT_THAT(second.err, AllOf(HasSubstr("is in use by another job: wait for its end"),
                                Not(HasSubstr("started again"))));
  first.Signal(SIGINT);
  EXPECT_EQ(first.Wait().exit_code, 128 + SIGINT);
}

TEST_F(ClusterProgramTest, AnEvaluatorEndsWithAJobThatIsStopped) {
  const std::string page = WriteEvaluatorPage(dir_.File("config.yaml"), kWorkerAndServer);
  Process master(dir_, Train("job", {"--config", page}, 10'000'000));
  ASSERT_TRUE(
      Eventually([&] { return std::filesystem::exists(JobDir("job") + "/eval_census-eval"); }));
  master.Signal(SIGINT);
  const Ended ended = master.Wait();
  EXPECT_EQ(ended.exit_code, 128 + SIGINT) << ended.err;
  EXPECT_TRUE(ReplicasOf(JobDir("job"), "evaluator-0").empty());
}

TEST_F(ClusterProgramTest, AJobGoesOnWithAnotherCluster) {
  Dime(Train("whole", {"--micro-batches", "5"}, 30));
  Dime(Train("parts", kStandard, 13));
  Dime(Train("parts", {"--micro-batches", "5"}, 21));
  EXPECT_EQ(Dime(Train("parts", kStandard, 30))["first_step"], 21);
  EXPECT_TRUE(Variables("parts", 30) == Variables("whole", 30));
}

TEST_F(ClusterProgramTest, ReplicasThatKeepDenseVariablesGoOnFromACheckpoint) {
  std::vector<std::string> all_reduce = kStandard;
  all_reduce.insert(all_reduce.end(), {"--dense", "allreduce"});
  Dime(Train("whole", {"--micro-batches", "5"}, 30));
  Dime(Train("parts", all_reduce, 13));
  Dime(Train("parts", {"--micro-batches", "5"}, 21));
  EXPECT_EQ(Dime(Train("parts", all_reduce, 30))["first_step"], 21);
  EXPECT_TRUE(Variables("parts", 30) == Variables("whole", 30));
}

TEST_F(ClusterProgramTest, AllReduceWithoutStepsInCommonIsAnError) {
  for (const std::vector<std::string>& cluster :
       {std::vector<std::string>{"--distributed"}, {"--scale-tier", "STANDARD_1"}}) {
    std::vector<std::string> own = cluster;
    own.insert(own.end(), {"--dense", "allreduce", "--consistency", "bounded:2"});
    const Ended ended = Process(dir_, Train("job", own, 1)).Wait();
    EXPECT_EQ(ended.exit_code, 64);
    EXPECT_THAT(ended.err, HasSubstr("--dense: allreduce sums the gradients of steps that all "
                                     "replicas take in common: the consistency has to be sync, not "
                                     "bounded:2"));
  }
}

TEST_F(ClusterProgramTest, AsyncAndBoundedTakeEveryStepThatWasAskedFor) {
  for (const char* const consistency : {"async", "bounded:1", "bounded:2"}) {
    const auto result =
        Dime(Train(consistency, {"--scale-tier", "STANDARD_1", "--consistency", consistency}, 203));
    EXPECT_EQ(result["global_step"], 203) << consistency;
    EXPECT_GT(result["metrics"]["auc"], 0.4) << consistency;
  }
}

TEST_F(ClusterProgramTest, CtrlCSavesEndsAllAndTheJobGoesOnExactly) {
  Process stopped(dir_, Train("stopped", kStandard, 1'000'000));
  const std::string job_dir = JobDir("stopped");
  ASSERT_TRUE(Eventually([&] { return ReplicasOf(job_dir, "").size() == 7; }));
  ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(job_dir + "/model.ckpt-0.index"); }));
  stopped.Signal(SIGINT);
  const Ended ended = stopped.Wait();
  EXPECT_EQ(ended.exit_code, 130) << ended.err;
  EXPECT_TRUE(ReplicasOf(job_dir, "").empty());
  const auto result = nlohmann::json::parse(ended.out);
  EXPECT_EQ(result["interrupted"], true);
  const int step = result["global_step"];
  Dime(Train("stopped", {"--micro-batches", "5"}, step + 10));
  Dime(Train("whole", {"--micro-batches", "5"}, step + 10));
  EXPECT_TRUE(Variables("stopped", step + 10) == Variables("whole", step + 10));
}

// As timeout(1), systemd and a terminal that goes away send it.
TEST_F(ClusterProgramTest, ASignalToAllProcessesSavesAndEndsAll) {
  for (const int signal : {SIGTERM, SIGHUP}) {
    const std::string job = std::to_string(signal);
    std::vector<std::string> own = kStandard;
    own.insert(own.end(), {"--checkpoint-steps", "10"});
    Process process(dir_, Train(job, own, 1'000'000));
    const std::string job_dir = JobDir(job);
    ASSERT_TRUE(Eventually([&] { return ReplicasOf(job_dir, "").size() == 7; }));
    ASSERT_TRUE(
        Eventually([&] { return std::filesystem::exists(job_dir + "/model.ckpt-10.index"); }));
    for (const pid_t pid : ReplicasOf(job_dir, "")) kill(pid, signal);
    process.Signal(signal);
    const Ended ended = process.Wait();
    EXPECT_EQ(ended.exit_code, 128 + signal) << ended.err;
    EXPECT_GT(nlohmann::json::parse(ended.out)["global_step"], 9);
    EXPECT_TRUE(ReplicasOf(job_dir, "").empty());
  }
}

TEST_F(ClusterProgramTest, AsyncCheckpointsComeAlthoughStepsJump) {
  Dime(Train("job", {"--scale-tier", "STANDARD_1", "--checkpoint-steps", "1000"}, 8000));
  int num_checkpoints = 0;
  for (const auto& entry : std::filesystem::directory_iterator(JobDir("job"))) {
    num_checkpoints += entry.path().extension() == ".index" ? 1 : 0;
  }
  EXPECT_GE(num_checkpoints, 3);  // At the start, on the way and at the end.
}

TEST_F(ClusterProgramTest, LessDataThanAStepTakesIsAnError) {
  std::vector<std::string> words = Train("job", kStandard, 10);
  words.insert(words.end(), {"--num-epochs", "1", "--train-batch-size", "300"});
  const Ended ended = Process(dir_, words).Wait();
  EXPECT_NE(ended.exit_code, 0);
  EXPECT_THAT(ended.err, HasSubstr("make 3 batches in 1 epochs, and a step takes 5"));
  EXPECT_TRUE(ReplicasOf(JobDir("job"), "").empty());
}

TEST_F(ClusterProgramTest, AJobWhoseServerIsKilledEndsWithItsNameAndNothingIsLeft) {
  std::vector<std::string> own = kStandard;
  own.emplace_back("--max-restarts=0");
  Process process(dir_, Train("job", own, 1'000'000));
  const std::string job_dir = JobDir("job");
  ASSERT_TRUE(Eventually([&] { return ReplicasOf(job_dir, "").size() == 7; }));
  ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(job_dir + "/model.ckpt-0.index"); }));
  for (const pid_t pid : ReplicasOf(job_dir, "ps-0")) kill(pid, SIGKILL);
  ASSERT_TRUE(Eventually([&] { return process.HasEnded(); }));
  const Ended ended = process.Wait();
  EXPECT_EQ(ended.exit_code, 69) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("ps-0 was ended by signal 9"));
  EXPECT_TRUE(ReplicasOf(job_dir, "").empty());
}

TEST_F(ClusterProgramTest, WhatTheMasterAloneCannotDoIsNoReplicasFault) {
  const std::string bad = dir_.File("bad.csv");
  std::ofstream(bad) << "no, census, row\n";
  std::vector<std::string> words = Train("job", kStandard, 60);
  *std::ranges::find(words, "--eval-files") = "--eval-files=" + bad;
  std::erase(words, rows_);
  words.insert(std::ranges::find(words, "--train-files") + 1, rows_);
  const Ended ended = Process(dir_, words).Wait();
  EXPECT_EQ(ended.exit_code, 65) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr(bad));
  EXPECT_THAT(ended.err, Not(HasSubstr("ended with exit code")));
  EXPECT_TRUE(ReplicasOf(JobDir("job"), "").empty());
}

TEST_F(ClusterProgramTest, NobodyOutlivesTheMaster) {
  const std::string job_dir = JobDir("job");
  {
    const Process process(dir_, Train("job", kStandard, 1'000'000));
    ASSERT_TRUE(Eventually([&] { return ReplicasOf(job_dir, "").size() == 7; }));
  }  // SIGKILL.
  EXPECT_TRUE(Eventually([&] { return ReplicasOf(job_dir, "").empty(); }));
}

TEST_F(ClusterProgramTest, AReplicaThatCannotReadItsDataIsNamed) {
  std::ofstream(rows_, std::ios::app) << "not, a, record\n";
  const Ended ended = Process(dir_, Train("job", kStandard, 10)).Wait();
  EXPECT_EQ(ended.exit_code, 65) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("rows.csv:701"));
  EXPECT_TRUE(ReplicasOf(JobDir("job"), "").empty());
}

}  // namespace
}  // namespace dime::cli
