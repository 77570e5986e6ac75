// Jobs of several processes, some of which are killed or stop moving: what becomes of the others,
// and of the result.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
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
using ::dime::testing::ReadText;
using ::dime::testing::ReplicasOf;
using ::dime::testing::SignalReplica;
using ::dime::testing::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class FaultProgramTest : public ::testing::Test {
 protected:
  std::vector<std::string> Train(const std::string& job, const std::string& consistency,
                                 int num_steps, const std::vector<std::string>& own = {}) {
    std::vector<std::string> flags = {"--format",
                                      "json",
                                      "--export-name=",
                                      "--max-checkpoints=100",
                                      "--distributed",
                                      "--worker-count=2",
                                      "--parameter-server-count=2",
                                      "--consistency",
                                      consistency};
    flags.insert(flags.end(), own.begin(), own.end());
    return TrainingWords(JobDir(job), flags, rows_,
                         {"--eval-files", rows_, "--train-steps", std::to_string(num_steps)});
  }
  Ended Run(const std::vector<std::string>& words) { return Process(dir_, words).Wait(); }
  [[nodiscard]] std::string JobDir(const std::string& job) const { return dir_.File(job); }
  [[nodiscard]] std::string Variables(const std::string& job, int step) const {
    return dime::testing::CheckpointVariables(fmt::format("{}/model.ckpt-{}", JobDir(job), step));
  }
  [[nodiscard]] bool HasCheckpoint(const std::string& job, int step) const {
    return std::filesystem::exists(fmt::format("{}/model.ckpt-{}.index", JobDir(job), step));
  }
  // That is what a job goes on from: its files are there a moment before.
  [[nodiscard]] bool NamesCheckpoint(const std::string& job, int step) const {
    const std::string state = ReadText(JobDir(job) + "/checkpoint");
    return state.find(fmt::format("\"model.ckpt-{}\"", step)) != std::string::npos;
  }
  [[nodiscard]] int NumCheckpoints(const std::string& job) const {
    int count = 0;
    std::error_code none_yet;
    for (const auto& entry : std::filesystem::directory_iterator(JobDir(job), none_yet)) {
      count += entry.path().extension() == ".index" ? 1 : 0;
    }
    return count;
  }
  void ExpectNobodyIsLeft(const std::string& job) const {
    EXPECT_TRUE(Eventually([&] { return ReplicasOf(JobDir(job), "").empty(); }));
  }

  const TempDir dir_;
  const std::string rows_ = dime::testing::WriteCensusRows(dir_.File("rows.csv"), 700);
};

constexpr int kSteps = 2000;

TEST_F(FaultProgramTest, SyncIsTheSameBytesHoweverOftenAWorkerIsKilled) {
  const std::vector<std::string> own = {"--checkpoint-steps", "100"};
  ASSERT_EQ(Run(Train("whole", "sync", kSteps, own)).exit_code, 0);
  Process master(dir_, Train("faults", "sync", kSteps, own));
  int num_kills = 0;
  for (const int step : {0, 200, 600, 1200}) {
    ASSERT_TRUE(Eventually([&] { return HasCheckpoint("faults", step) || master.HasEnded(); }));
    num_kills += SignalReplica(JobDir("faults"), step == 600 ? "worker-1" : "worker-0", SIGKILL);
  }
  const Ended ended = master.Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_GE(num_kills, 1);
  EXPECT_THAT(ended.err, HasSubstr("worker-0 was ended by signal 9 (Killed): it is started again"));
  EXPECT_EQ(nlohmann::json::parse(ended.out)["global_step"], kSteps);
  for (const int step : {0, 100, 700, 1300, kSteps}) {
    EXPECT_TRUE(Variables("faults", step) == Variables("whole", step)) << step;
  }
  ExpectNobodyIsLeft("faults");
}

TEST_F(FaultProgramTest, SyncIsTheSameBytesAlthoughAWorkerHung) {
  ASSERT_EQ(Run(Train("whole", "sync", kSteps)).exit_code, 0);
  Process master(dir_, Train("faults", "sync", kSteps));
  ASSERT_TRUE(Eventually([&] { return HasCheckpoint("faults", 0); }));
  ASSERT_EQ(SignalReplica(JobDir("faults"), "worker-1", SIGSTOP), 1);
  const Ended ended = master.Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err,
              AllOf(HasSubstr("worker-1 (process"), HasSubstr("hangs: it has been silent for 5."),
                    HasSubstr("when last heard it was"),
                    HasSubstr("it was killed: it is started again in 0.1 s")));
  EXPECT_TRUE(Variables("faults", kSteps) == Variables("whole", kSteps));
  ExpectNobodyIsLeft("faults");
}

TEST_F(FaultProgramTest, AsyncGoesOnWithoutTheKilledAndReportsItsRecords) {
  for (const std::string consistency : {"async", "bounded:4"}) {
    const int num_steps = 15'000;
    Process master(dir_, Train(consistency, consistency, num_steps, {"--checkpoint-steps=2000"}));
    ASSERT_TRUE(Eventually([&] { return NumCheckpoints(consistency) > 1; }));
    for (const char* const replica : {"worker-0", "worker-1"}) {
      SignalReplica(JobDir(consistency), replica, SIGKILL);
    }
    const Ended ended = master.Wait();
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    const auto result = nlohmann::json::parse(ended.out);
    EXPECT_GE(result["global_step"], num_steps);
    const auto& records = result["cluster"]["records"];
    EXPECT_EQ(records["due"], num_steps * 40);
    EXPECT_EQ(records["used_0_times"], 0);
    EXPECT_EQ(records["used_once"].get<int>() + records["used_2_or_more_times"].get<int>(),
              num_steps * 40);
    EXPECT_GT(records["used_2_or_more_times"], 0);
    ExpectNobodyIsLeft(consistency);
  }
}

TEST_F(FaultProgramTest, AWorkerThatIsKilledInStartUpIsStartedAgain) {
  Process master(dir_, Train("job", "sync", 50));
  ASSERT_TRUE(Eventually([&] { return SignalReplica(JobDir("job"), "worker-0", SIGKILL) == 1; }));
  const Ended ended = master.Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("worker-0 was ended by signal 9 (Killed): it is started again"));
  ExpectNobodyIsLeft("job");
}

TEST_F(FaultProgramTest, AWorkerThatHangsAndResumesInTimeIsLeftAlone) {
  Process master(dir_, Train("job", "sync", kSteps));
  ASSERT_TRUE(Eventually([&] { return HasCheckpoint("job", 0); }));
  ASSERT_EQ(SignalReplica(JobDir("job"), "worker-1", SIGSTOP), 1);
  // Half of the time after which it would count as lost.
  poll(nullptr, 0, 2500);
  ASSERT_EQ(SignalReplica(JobDir("job"), "worker-1", SIGCONT), 1);
  const Ended ended = master.Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err, Not(HasSubstr("started again")));
  ExpectNobodyIsLeft("job");
}

TEST_F(FaultProgramTest, AServerThatHangsIsNamedKilledAndEndsAJobThatIsNotRestarted) {
  Process master(dir_, Train("job", "sync", 10'000'000, {"--max-restarts=0"}));
  ASSERT_TRUE(Eventually([&] { return HasCheckpoint("job", 0); }));
  poll(nullptr, 0, 2500);  // It is asked every second what it is at.
  ASSERT_EQ(SignalReplica(JobDir("job"), "ps-1", SIGSTOP), 1);
  ASSERT_TRUE(Eventually([&] { return master.HasEnded(); }));
  const Ended ended = master.Wait();
  EXPECT_EQ(ended.exit_code, 69);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("ps-1 (process"), HasSubstr("has been silent for 5."),
                               HasSubstr("when last heard it was serving rows")));
  ExpectNobodyIsLeft("job");
}

// Of a server or the master, and what the log says of it.
struct Fault {
  const char* name;
  const char* replica;
  int signal;
  const char* said;
};

class RestartedJobTest : public FaultProgramTest, public ::testing::WithParamInterface<Fault> {};

INSTANTIATE_TEST_SUITE_P(
    Faults, RestartedJobTest,
    ::testing::Values(Fault{"KilledServer", "ps-0", SIGKILL, "ps-0 was ended by signal 9 (Killed)"},
                      Fault{"HungServer", "ps-1", SIGSTOP, "hangs: it has been silent for 5."},
                      Fault{"KilledMaster", "master-0", SIGKILL,
                            "the master was ended by signal 9 (Killed)"},
                      Fault{"HungMaster", "master-0", SIGSTOP, "hangs: it has been silent for 5."}),
    [](const auto& instance) { return instance.param.name; });

TEST_P(RestartedJobTest, GoesOnFromItsLastCheckpointToTheSameBytes) {
  constexpr int kSteps = 2500;
  const std::vector<std::string> own = {"--checkpoint-steps", "250"};
  ASSERT_EQ(Run(Train("whole", "sync", kSteps, own)).exit_code, 0);
  Process job(dir_, Train("faults", "sync", kSteps, own));
  ASSERT_TRUE(Eventually([&] { return NamesCheckpoint("faults", 250); }));
  ASSERT_EQ(SignalReplica(JobDir("faults"), GetParam().replica, GetParam().signal), 1);
  const Ended ended = job.Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err, AllOf(HasSubstr(GetParam().said),
                               HasSubstr("from its last checkpoint (1 of 3 times)")));
  const auto result = nlohmann::json::parse(ended.out);
  EXPECT_GE(result["first_step"], 250);
  EXPECT_EQ(result["global_step"], kSteps);
  EXPECT_TRUE(Variables("faults", kSteps) == Variables("whole", kSteps));
  ExpectNobodyIsLeft("faults");
}

TEST_F(FaultProgramTest, AsyncGoesOnFromItsLastCheckpointWhenAServerIsKilled) {
  Process job(dir_, Train("job", "async", 15'000, {"--checkpoint-steps", "2000"}));
  ASSERT_TRUE(Eventually([&] { return NumCheckpoints("job") > 1; }));
  ASSERT_EQ(SignalReplica(JobDir("job"), "ps-0", SIGKILL), 1);
  const Ended ended = job.Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(nlohmann::json::parse(ended.out)["cluster"]["records"]["used_0_times"], 0);
  ExpectNobodyIsLeft("job");
}

TEST_F(FaultProgramTest, ASignalThatIsIgnoredStaysSo) {
  ASSERT_NE(signal(SIGHUP, SIG_IGN), SIG_ERR);  // As nohup does.
  Process job(dir_, Train("job", "sync", kSteps));
  signal(SIGHUP, SIG_DFL);
  ASSERT_TRUE(Eventually([&] { return HasCheckpoint("job", 0); }));
  job.Signal(SIGHUP);
  const Ended ended = job.Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(nlohmann::json::parse(ended.out)["global_step"], kSteps);
}

TEST_F(FaultProgramTest, ARestartedJobStopsInGoodOrderWhenItIsAskedTo) {
  Process job(dir_, Train("job", "sync", 10'000'000));
  ASSERT_TRUE(Eventually([&] { return HasCheckpoint("job", 0); }));
  const std::vector<pid_t> before = ReplicasOf(JobDir("job"), "master-0");
  ASSERT_EQ(SignalReplica(JobDir("job"), "master-0", SIGKILL), 1);
  ASSERT_TRUE(Eventually([&] {
    const std::vector<pid_t> now = ReplicasOf(JobDir("job"), "master-0");
    return now.size() == 1 && now != before && ReplicasOf(JobDir("job"), "").size() == 4;
  }));
  job.Signal(SIGINT);
  const Ended ended = job.Wait();
  EXPECT_EQ(ended.exit_code, 130) << ended.err;
  EXPECT_EQ(nlohmann::json::parse(ended.out)["interrupted"], true);
  EXPECT_THAT(ended.err, Not(HasSubstr("signal 2")));
  ExpectNobodyIsLeft("job");
}

TEST_F(FaultProgramTest, AKilledMasterLeavesNoSocketsBehind) {
  const std::string scratch = dir_.File("t");
  std::filesystem::create_directory(scratch);
  Process job(dir_, Train("job", "sync", 10'000'000, {"--max-restarts=0"}),
              {.environment = {"TMPDIR=" + scratch}});
  ASSERT_TRUE(Eventually([&] { return HasCheckpoint("job", 0); }));
  EXPECT_FALSE(std::filesystem::is_empty(scratch));
  ASSERT_EQ(SignalReplica(JobDir("job"), "master-0", SIGKILL), 1);
  const Ended ended = job.Wait();
  EXPECT_EQ(ended.exit_code, 128 + SIGKILL);
  EXPECT_THAT(ended.err, HasSubstr("the master was ended by signal 9 (Killed)"));
  EXPECT_TRUE(std::filesystem::is_empty(scratch));
  ExpectNobodyIsLeft("job");
}

TEST_F(FaultProgramTest, ReplicasWhoseMasterHangsEndByThemselves) {
  const Process job(dir_, Train("job", "sync", 10'000'000));
  ASSERT_TRUE(Eventually([&] { return HasCheckpoint("job", 0); }));
  const std::vector<pid_t> replicas = ReplicasOf(JobDir("job"), "");
  ASSERT_EQ(replicas.size(), 4u);
  job.Signal(SIGSTOP);  // So that nobody kills the master.
  ASSERT_EQ(SignalReplica(JobDir("job"), "master-0", SIGSTOP), 1);
  EXPECT_TRUE(Eventually([&] { return dime::testing::NumRunning(replicas) == 0; }));
}

TEST_F(FaultProgramTest, AReplicaThatCannotEverSucceedIsNotTriedAgain) {
  const Ended ended =
      Run(Train("job", "sync", 10, {"--train-batch-size", "300", "--num-epochs=1"}));
  EXPECT_NE(ended.exit_code, 0);
  EXPECT_THAT(ended.err, Not(HasSubstr("started again")));
  ExpectNobodyIsLeft("job");
}

}  // namespace
}  // namespace dime::cli
