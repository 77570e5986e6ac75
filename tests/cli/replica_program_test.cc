// `dime replica` as TF_CONFIG and mpirun start it: how the replicas of a job find each other, what
// they compute, and how they end.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cli/training_words.h"
#include "tests/support/census_rows.h"
#include "tests/support/checkpoint_variables.h"
#include "tests/support/eventually.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace dime::cli {
namespace {

using ::dime::testing::Ended;
using ::dime::testing::Eventually;
using ::dime::testing::Process;
using ::dime::testing::ReadText;
using ::dime::testing::TempDir;
using ::dime::testing::WriteCensusRows;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kEndless = 10'000'000;

// Addresses of this host whose ports are free.
std::vector<std::string> FreeAddresses(std::size_t count) {
  std::vector<std::string> addresses;
  std::vector<int> sockets;
  while (addresses.size() < count) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(name);
    sockets.push_back(socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(bind(sockets.back(), reinterpret_cast<sockaddr*>(&name), size), 0);
    EXPECT_EQ(getsockname(sockets.back(), reinterpret_cast<sockaddr*>(&name), &size), 0);
    addresses.push_back(fmt::format("127.0.0.1:{}", ntohs(name.sin_port)));
  }
  for (const int fd : sockets) close(fd);
  return addresses;
}

class ReplicaProgramTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string JobDir(const std::string& job) const { return dir_.File(job); }
  [[nodiscard]] std::string Variables(const std::string& job, int step) const {
    return dime::testing::CheckpointVariables(fmt::format("{}/model.ckpt-{}", JobDir(job), step));
  }
  // The words of a job: of `dime replica`, or, with others in front, of other commands.
  std::vector<std::string> Words(const std::string& job, int num_steps,
                                 const std::vector<std::string>& own = {},
                                 const std::vector<std::string>& command = {"replica"}) {
    std::vector<std::string> flags = {"--format", "json", "--export-name="};
    flags.insert(flags.end(), own.begin(), own.end());
    return TrainingWords(JobDir(job), flags, rows_,
                         {"--eval-files", rows_, "--train-steps", std::to_string(num_steps)},
                         command);
  }
  std::string VariablesOfOneProcess(int num_steps) {
    const Ended ended =
        Process(dir_, Words("one", num_steps, {"--micro-batches", "5"}, {"local", "train"})).Wait();
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return Variables("one", num_steps);
  }

  const TempDir dir_;
  const std::string rows_ = WriteCensusRows(dir_.File("rows.csv"), 700);
};

const std::vector<std::string> kSync = {"--consistency", "sync", "--micro-batches", "5"};

TEST_F(ReplicaProgramTest, WhoNobodyHasToldWhoItIsSaysHowToBeTold) {
  const Ended ended =
      Process(dir_, Words("job", 10), {.environment = {"TF_CONFIG_UNUSED="}}).Wait();
  EXPECT_EQ(ended.exit_code, 64);
  EXPECT_THAT(ended.err, HasSubstr("mpirun"));
  EXPECT_THAT(ended.err, HasSubstr("TF_CONFIG"));
}

TEST_F(ReplicaProgramTest, AnEmptyTfConfigIsAJobOfOneProcess) {
  const Ended ended =
      Process(dir_, Words("job", 20, {"--micro-batches", "5"}), {.environment = {"TF_CONFIG={}"}})
          .Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(Variables("job", 20) == VariablesOfOneProcess(20));
}

// A cluster of one master, two workers and a server, over TCP.
class TfConfigTest : public ReplicaProgramTest {
 protected:
  Process Start(const std::string& type, int index, const std::vector<std::string>& words) {
    const nlohmann::json page = {{"cluster",
                                  {{master_, {addresses_[0]}},
                                   {"worker", {addresses_[1], addresses_[2]}},
                                   {"ps", {addresses_[3]}}}},
                                 {"task", {{"type", type}, {"index", index}}}};
    return Process(
        dir_, words,
        {.environment = {"TF_CONFIG=" + page.dump()}, .name = fmt::format("{}-{}-", type, index)});
  }
  std::vector<std::string> Own(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> own = kSync;
    own.insert(own.end(), {"--join-secs", "60"});
    own.insert(own.end(), more.begin(), more.end());
    return own;
  }
  bool HasStarted(const std::string& job) const {
    return std::filesystem::exists(JobDir(job) + "/model.ckpt-0.index");
  }

  std::string master_ = "master";
  std::vector<std::string> addresses_ = FreeAddresses(4);
};

TEST_F(TfConfigTest, ReplicasInAnyOrderWriteTheBytesOfOneProcess) {
  const auto words = Words("job", 40, Own());
  Process worker1 = Start("worker", 1, words);
  Process server = Start("ps", 0, words);
  Process master = Start("master", 0, words);
  Process worker0 = Start("worker", 0, words);
  const Ended ended = master.Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(nlohmann::json::parse(ended.out)["global_step"], 40);
  for (Process* const other : {&worker0, &worker1, &server}) {
    const Ended theirs = other->Wait();
    EXPECT_EQ(theirs.exit_code, 0) << theirs.err;
    EXPECT_EQ(theirs.out + theirs.err, "");
  }
  EXPECT_TRUE(Variables("job", 40) == VariablesOfOneProcess(40));
  EXPECT_FALSE(std::filesystem::exists(JobDir("job") + "/dime/token"));
}

TEST_F(TfConfigTest, AllReduceWritesTheBytesOfOneProcess) {
  const std::vector<std::string> words = Words("job", 20, Own({"--dense", "allreduce"}));
  Process server = Start("ps", 0, words);
  Process worker1 = Start("worker", 1, words);
  Process worker0 = Start("worker", 0, words);
  const Ended master = Start("master", 0, words).Wait();
  EXPECT_EQ(master.exit_code, 0) << master.err;
  EXPECT_TRUE(Variables("job", 20) == VariablesOfOneProcess(20));
  for (Process* const other : {&server, &worker0, &worker1}) {
    const Ended ended = other->Wait();
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
  }
}

TEST_F(TfConfigTest, WhoIsMissingIsNamedAndTheOthersEnd) {
  const auto words = Words("job", 40, Own({"--join-secs", "1"}));
  Process worker = Start("worker", 0, words);
  Process master = Start("master", 0, words);
  const Ended ended = master.Wait();
  EXPECT_EQ(ended.exit_code, 69);
  EXPECT_THAT(ended.err, HasSubstr("2 of 4 replicas are missing: worker-1, ps-0"));
  const Ended other = worker.Wait();
  EXPECT_EQ(other.exit_code, 69);
  EXPECT_THAT(other.err, HasSubstr("missing: worker-1, ps-0"));
}

TEST_F(TfConfigTest, AMasterThatDoesNotComeIsNamed) {
  const Ended ended = Start("worker", 0, Words("job", 40, Own({"--join-secs", "1"}))).Wait();
  EXPECT_EQ(ended.exit_code, 69);
  EXPECT_THAT(ended.err, HasSubstr("worker-0: the master was not there within 1 s"));
}

TEST_F(TfConfigTest, AMasterThatWaitsForReplicasEndsByASignalInGoodOrder) {
  Process master = Start("master", 0, Words("job", 40, Own()));
  ASSERT_TRUE(Eventually([&] { return master.Err().find("train data") != std::string::npos; }));
  master.Signal(SIGTERM);
  const Ended ended = master.Wait();
  EXPECT_EQ(ended.exit_code, 128 + SIGTERM) << ended.err;
}

TEST_F(TfConfigTest, AWrongTokenIsRefused) {
  for (const char digit : {'1', '2'}) {
    const std::string file = dir_.File(std::string("token") + digit);
    std::ofstream(file) << std::string(32, digit);
    chmod(file.c_str(), 0600);
  }
  Process master =
      Start("master", 0,
            Words("job", 40, Own({"--join-secs", "2", "--token-file", dir_.File("token1")})));
  const Ended worker =
      Start("worker", 0, Words("job", 40, Own({"--token-file", dir_.File("token2")}))).Wait();
  EXPECT_EQ(worker.exit_code, 77);
  EXPECT_THAT(worker.err, HasSubstr("worker-0: the master at 127.0.0.1"));
  EXPECT_THAT(worker.err, HasSubstr("does not know this job's token"));
  const Ended ended = master.Wait();
  EXPECT_EQ(ended.exit_code, 69);
  EXPECT_THAT(ended.err, HasSubstr("worker-0, worker-1"));
}

TEST_F(TfConfigTest, ATokenThatOthersMayReadIsRefused) {
  const std::string file = dir_.File("token");
  std::ofstream(file) << std::string(32, 'x');
  chmod(file.c_str(), 0640);
  for (const char* const type : {"master", "worker"}) {
    const Ended ended = Start(type, 0, Words("job", 40, Own({"--token-file", file}))).Wait();
    EXPECT_EQ(ended.exit_code, 77);
    EXPECT_THAT(ended.err, HasSubstr("chmod 600 " + file));
  }
}

TEST_F(TfConfigTest, WhatAKilledMasterHasLeftIsNotTakenForTheNewOnes) {
  std::filesystem::create_directories(JobDir("job") + "/dime");
  const std::string file = JobDir("job") + "/dime/token";
  std::ofstream(file) << std::string(64, 'a');
  chmod(file.c_str(), 0600);
  const auto words = Words("job", 20, Own());
  std::vector<Process> others;
  others.push_back(Start("ps", 0, words));
  others.push_back(Start("worker", 0, words));
  others.push_back(Start("worker", 1, words));
  const Ended ended = Start("master", 0, words).Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
}

TEST_F(TfConfigTest, AReplicaWithOtherWordsIsRefusedAndNamed) {
  Process master = Start("master", 0, Words("job", 40, Own()));
  const Ended server = Start("ps", 0, Words("job", 40, Own({"--micro-batches", "6"}))).Wait();
  EXPECT_EQ(server.exit_code, 78);
  EXPECT_THAT(server.err, HasSubstr("ps-0 was started for"));
  const Ended ended = master.Wait();
  EXPECT_EQ(ended.exit_code, 78);
  EXPECT_THAT(ended.err, HasSubstr("refused, and not back after 3 s: ps-0"));
}

TEST_F(TfConfigTest, ATierThatDoesNotFitIsAnError) {
  const Ended ended =
      Start("worker", 0, Words("job", 40, Own({"--scale-tier", "STANDARD_1"}))).Wait();
  EXPECT_EQ(ended.exit_code, 78);
  EXPECT_THAT(ended.err, HasSubstr("TF_CONFIG has 1 master, 2 workers, 1 parameter server, and "
                                   "the scale tier STANDARD_1"));
}

TEST_F(TfConfigTest, AnEvaluatorIsToldThatTheMasterEvaluates) {
  const Ended ended = Start("evaluator", 0, Words("job", 40, Own())).Wait();
  EXPECT_EQ(ended.exit_code, 64);
  EXPECT_THAT(ended.err, HasSubstr("the cluster has a master, which evaluates itself"));
}

// The same cluster with a chief, which leaves evaluation and export to an evaluator.
class ChiefTest : public TfConfigTest {
 protected:
  ChiefTest() { master_ = "chief"; }
  std::vector<std::string> WithExport() const {
    return Own({"--export-name", "census", "--checkpoint-steps", "10"});
  }
};

TEST_F(ChiefTest, TheEvaluatorEvaluatesAndExports) {
  const auto words = Words("job", 40, WithExport());
  Process evaluator = Start("evaluator", 0, words);
  Process worker1 = Start("worker", 1, words);
  Process server = Start("ps", 0, words);
  Process chief = Start("chief", 0, words);
  Process worker0 = Start("worker", 0, words);
  const Ended trained = chief.Wait();
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("left to the job's evaluator"));
  const auto chiefs = nlohmann::json::parse(trained.out);
  EXPECT_EQ(chiefs["global_step"], 40);
  EXPECT_TRUE(chiefs["metrics"].empty());
  EXPECT_EQ(chiefs["export"], "");
  const Ended evaluated = evaluator.Wait();
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.err;
  EXPECT_THAT(evaluated.err, HasSubstr("evaluation after step 40"));
  const auto evaluators = nlohmann::json::parse(evaluated.out);
  EXPECT_EQ(evaluators["global_step"], 40);
  EXPECT_TRUE(evaluators["metrics"].contains("auc"));
  EXPECT_TRUE(std::filesystem::exists(evaluators["export"].get<std::string>() + "/variables"));
  EXPECT_TRUE(std::filesystem::exists(JobDir("job") + "/eval_census-eval"));
  EXPECT_TRUE(Variables("job", 40) == VariablesOfOneProcess(40));
}

TEST_F(ChiefTest, AnEvaluatorNamesTheCheckpointThatItHasWaitedFor) {
  const Ended ended =
      Start("evaluator", 0, Words("job", 40, Own({"--checkpoint-wait-secs", "1"}))).Wait();
  EXPECT_EQ(ended.exit_code, 69);
  EXPECT_THAT(ended.err, HasSubstr("evaluator-0: no new checkpoint has come to " + JobDir("job") +
                                   " for 1 s"));
  EXPECT_THAT(ended.err, HasSubstr("step 40"));
}

TEST_F(ChiefTest, ASignalEndsAnEvaluatorInGoodOrder) {
  Process evaluator = Start("evaluator", 0, Words("job", 40, Own()));
  ASSERT_TRUE(Eventually([&] {
    return ReadText(dir_.File("evaluator-0-stderr")).find("eval data") != std::string::npos;
  }));
  evaluator.Signal(SIGTERM);
  const Ended ended = evaluator.Wait();
  EXPECT_EQ(ended.exit_code, 128 + SIGTERM);
  EXPECT_THAT(ended.err, HasSubstr("stopping"));
  EXPECT_TRUE(nlohmann::json::parse(ended.out)["interrupted"]);
}

TEST_F(ChiefTest, AnEvaluatorThatComesLateFindsWhatAChiefAloneHasLeft) {
  const auto start = [&](const char* type) {
    const nlohmann::json page = {{"cluster", {{"chief", {addresses_[0]}}}},
                                 {"task", {{"type", type}, {"index", 0}}}};
    return Process(dir_, Words("job", 20), {.environment = {"TF_CONFIG=" + page.dump()}}).Wait();
  };
  const Ended trained = start("chief");
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_TRUE(nlohmann::json::parse(trained.out)["metrics"].empty());
  const Ended evaluated = start("evaluator");
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.err;
  EXPECT_FALSE(nlohmann::json::parse(evaluated.out)["metrics"].empty());
}

TEST_F(ChiefTest, AJobWithoutEvaluationFilesNeedsAMaster) {
  std::vector<std::string> words = Words("job", 40, Own());
  const auto eval_files = std::ranges::find(words, "--eval-files");
  words.erase(eval_files, eval_files + 2);
  const Ended ended = Start("chief", 0, words).Wait();
  EXPECT_EQ(ended.exit_code, 64);
  EXPECT_THAT(ended.err, HasSubstr("--eval-files is required"));
}

TEST_F(TfConfigTest, AnAddressOfAnotherMachineEndsTheJobWithTheName) {
  addresses_[3] = "192.0.2.1:2222";  // TEST-NET-1: nobody's.
  const auto words = Words("job", 40, Own());
  Process server = Start("ps", 0, words);
  const Ended ended = Start("master", 0, words).Wait();
  EXPECT_EQ(ended.exit_code, 78);
  EXPECT_THAT(ended.err, HasSubstr("ps-0: cannot listen on 192.0.2.1:2222"));
  EXPECT_THAT(server.Wait().err, HasSubstr("no address of this machine"));
}

class LostReplicaTest : public TfConfigTest, public ::testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Roles, LostReplicaTest, ::testing::Values("worker-0", "ps-0", "master-0"));

TEST_P(LostReplicaTest, TheOthersEndByThemselvesAndNameIt) {
  const std::string lost = GetParam();
  const auto words = Words("job", kEndless, Own());
  std::map<std::string, std::unique_ptr<Process>> replicas;
  for (const std::string type : {"master", "ps", "worker"}) {
    replicas[type + "-0"] = std::make_unique<Process>(Start(type, 0, words));
  }
  replicas["worker-1"] = std::make_unique<Process>(Start("worker", 1, words));
  ASSERT_TRUE(Eventually([&] { return HasStarted("job"); }));
  replicas[lost]->Signal(SIGKILL);
  for (const auto& [name, process] : replicas) {
    const Ended ended = process->Wait();
    EXPECT_EQ(ended.exit_code, name == lost ? 128 + SIGKILL : 69) << name << ": " << ended.err;
    if (name == lost) continue;
    const bool is_master = lost == "master-0";
    EXPECT_THAT(ended.err, HasSubstr(is_master ? "the master is gone" : lost + " (process"))
        << name;
  }
}

class RankTest : public ReplicaProgramTest {
 protected:
  void SetUp() override {
    if (std::system("mpirun --version > /dev/null 2>&1") != 0) {
      GTEST_SKIP() << "there is no mpirun (Debian package openmpi-bin)";
    }
  }
  static std::filesystem::path MpiPlugin() {
    return std::filesystem::path(DIME_PROGRAM).parent_path() / "../lib/dime/libdime_mpi.so";
  }
  Ended Run(int num_ranks, const std::vector<std::string>& words,
            const std::string& program = DIME_PROGRAM) {
    std::vector<std::string> all = {"-np",  std::to_string(num_ranks), "--bind-to",
                                    "none", "--oversubscribe",         program};
    all.insert(all.end(), words.begin(), words.end());
    return Process(dir_, all,
                   {.program = "mpirun",
                    .environment = {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"},
                    .name = "mpirun-"})
        .Wait();
  }
  static std::vector<std::string> Standard() {
    std::vector<std::string> own = kSync;
    own.insert(own.end(), {"--scale-tier", "STANDARD_1"});
    return own;
  }
};

TEST_F(RankTest, StandardTierWritesTheBytesOfOneProcess) {
  const Ended ended = Run(8, Words("job", 40, Standard()));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(nlohmann::json::parse(ended.out)["global_step"], 40);
  EXPECT_TRUE(Variables("job", 40) == VariablesOfOneProcess(40));
  for (const char* const file : {"token", "rendezvous"}) {
    EXPECT_FALSE(std::filesystem::exists(JobDir("job") + "/dime/" + file)) << file;
  }
}

TEST_F(RankTest, TheLastRankIsTheEvaluator) {
  std::ofstream(dir_.File("config.yaml"))
      << "trainingInput:\n  scaleTier: CUSTOM\n  masterType: standard\n"
         "  workerType: standard\n  workerCount: 1\n"
         "  parameterServerType: standard\n  parameterServerCount: 1\n"
         "  evaluatorType: standard\n  evaluatorCount: 1\n";
  const Ended ended = Run(4, Words("job", 40, {"--config", dir_.File("config.yaml")}));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("evaluator-0: evaluation after step 40"));
  EXPECT_EQ(nlohmann::json::parse(ended.out)["global_step"], 40);
}

TEST_F(RankTest, AllReduceByMpiWritesTheBytesOfOneProcess) {
  if (!std::filesystem::exists(MpiPlugin())) GTEST_SKIP() << "dime was built without MPI";
  std::vector<std::string> own = Standard();
  own.insert(own.end(), {"--dense", "allreduce"});
  const Ended ended = Run(8, Words("job", 40, own));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(Variables("job", 40) == VariablesOfOneProcess(40));
}

TEST_F(RankTest, AllReduceWithoutThePluginSaysWhereItWasLookedFor) {
  // Beside a program in another place there is none.
  const std::string program = dir_.File("bin/dime");
  std::filesystem::create_directories(dir_.File("bin"));
  std::filesystem::copy(DIME_PROGRAM, program);
  const Ended ended = Run(3,
                          Words("job", 40,
                                {"--distributed", "--worker-count", "1", "--parameter-server-count",
                                 "1", "--dense", "allreduce"}),
                          program);
  EXPECT_EQ(ended.exit_code, 64) << ended.err;
  EXPECT_THAT(ended.err,
              HasSubstr("there is no MPI plug-in, " + dir_.File("lib/dime/libdime_mpi.so")));
  EXPECT_THAT(ended.err, HasSubstr("libopenmpi-dev"));
}

TEST_F(RankTest, APageOfARunThatWasKilledIsNotTakenForThisOnes) {
  std::filesystem::create_directories(JobDir("job") + "/dime");
  std::ofstream(JobDir("job") + "/dime/rendezvous")
      << "dime master 1\nrun 12345\nhost elsewhere\naddress 127.0.0.1:1\n";
  const Ended ended = Run(8, Words("job", 20, Standard()));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
}

TEST_F(RankTest, AnotherNumberOfRanksIsAnErrorThatIsSaidOnceWithTheRightNumber) {
  const Ended ended = Run(5, Words("job", 20, Standard()));
  EXPECT_EQ(ended.exit_code, 64);
  const std::string message = "5 processes were started for the scale tier STANDARD_1, which has 8";
  const std::size_t first = ended.err.find(message);
  ASSERT_NE(first, std::string::npos) << ended.err;
  EXPECT_EQ(ended.err.find(message, first + 1), std::string::npos) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("mpirun -np 8"));
}

TEST_F(RankTest, AWrongFlagIsSaidOnce) {
  const Ended ended = Run(3, Words("job", 20, {"--no-such-flag"}));
  EXPECT_EQ(ended.exit_code, 64);
  const std::size_t first = ended.err.find("--no-such-flag");
  ASSERT_NE(first, std::string::npos) << ended.err;
  EXPECT_EQ(ended.err.find("--no-such-flag", first + 1), std::string::npos) << ended.err;
}

TEST_F(RankTest, AReplicaThatFailsGivesTheJobItsExitCodeAndItsName) {
  std::ofstream(rows_, std::ios::app) << "not, a, record\n";
  const Ended ended = Run(8, Words("job", 20, Standard()));
  EXPECT_EQ(ended.exit_code, 65) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("rows.csv:701"));
}

TEST_F(RankTest, OneRankIsAJobOfOneProcess) {
  const Ended ended = Run(1, Words("job", 20, {"--micro-batches", "5"}));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(Variables("job", 20) == VariablesOfOneProcess(20));
}

}  // namespace
}  // namespace dime::cli
