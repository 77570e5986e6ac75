#include "runtime/cluster/training_input.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace dime::cluster {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;

// The example of Cloud ML Engine's page.
constexpr char kCustom[] =
    "trainingInput:\n"
    "  scaleTier: CUSTOM\n"
    "  masterType: complex_model_m\n"
    "  workerType: complex_model_m\n"
    "  parameterServerType: large_model\n"
    "  workerCount: 9\n"
    "  parameterServerCount: 3\n";

class TrainingInputTest : public ::testing::Test {
 protected:
  TrainingInputTest() {
    const std::vector<std::string> directories = {DIME_CONFIG_DIR};
    absl::StatusOr<TierLibrary> library = TierLibrary::Read(directories);
    EXPECT_OK(library);
    if (library.ok()) library_ = *std::move(library);
  }

  absl::StatusOr<TrainingInput> Resolve(const std::string& page, const TrainingFlags& flags = {}) {
    return ResolveTrainingInput(page, "c.yaml", flags, library_);
  }
  void ExpectRefused(const std::string& page, const std::string& message,
                     const TrainingFlags& flags = {}) {
    EXPECT_THAT(Resolve(page, flags),
                StatusIs(absl::StatusCode::kInvalidArgument, StartsWith(message)))
        << page;
  }
  // As a line of an otherwise good trainingInput.
  void ExpectInputRefused(const std::string& line, const std::string& message) {
    ExpectRefused("trainingInput:\n  " + line + "\n", "c.yaml:2: trainingInput." + message);
  }
  void ExpectNotHere(const std::string& page, const std::string& message) {
    EXPECT_THAT(Resolve(page), StatusIs(absl::StatusCode::kUnimplemented, StartsWith(message)));
  }

  TierLibrary library_;
};

TEST_F(TrainingInputTest, WithoutAnythingItIsBasic) {
  for (const char* const page : {"", "{}", "trainingInput:\n", "# nothing\n"}) {
    ASSERT_OK_AND_ASSIGN(const TrainingInput input, Resolve(page));
    EXPECT_EQ(input.scale_tier, "BASIC");
    EXPECT_EQ(input.shape.Counts(), RoleCounts());
    EXPECT_EQ(input.consistency.kind, Consistency::Kind::kSync);
    EXPECT_EQ(input.micro_batches, 1);
    EXPECT_THAT(input.notes, IsEmpty());
  }
}

TEST_F(TrainingInputTest, ACustomClusterHasTheShapeOfItsPage) {
  ASSERT_OK_AND_ASSIGN(const TrainingInput input, Resolve(kCustom));
  EXPECT_EQ(input.scale_tier, "CUSTOM");
  EXPECT_EQ(input.shape.Counts(), (RoleCounts{.masters = 1, .workers = 9, .parameter_servers = 3}));
  EXPECT_EQ(input.shape.master.machine.name, "complex_model_m");
  EXPECT_EQ(input.shape.workers.machine.cores, 16);
  EXPECT_EQ(input.shape.parameter_servers.machine.name, "large_model");
  EXPECT_EQ(input.consistency.kind, Consistency::Kind::kAsync);
  EXPECT_EQ(input.micro_batches, 10);
}

TEST_F(TrainingInputTest, JsonIsReadAsYamlIs) {
  ASSERT_OK_AND_ASSIGN(
      const TrainingInput input,
      Resolve(R"({"trainingInput":{"scaleTier":"CUSTOM","masterType":"standard",)"
              "\n\t"
              R"("workerType":"standard","workerCount":"2","args":["--a","1"]}})"));
  EXPECT_EQ(input.shape.workers.count, 2);
  EXPECT_THAT(input.args, ElementsAre("--a", "1"));
}

TEST_F(TrainingInputTest, EveryDocumentedFieldIsRead) {
  ASSERT_OK_AND_ASSIGN(const TrainingInput input,
                       Resolve("jobId: census_1\n"
                               "labels: {team: ads-1}\n"
                               "state: SUCCEEDED\n"
                               "trainingInput:\n"
                               "  args: [--train-steps, 1000]\n"
                               "  jobDir: gs://b/o\n"
                               "  packageUris: [gs://b/p.tar.gz]\n"
                               "  pythonModule: trainer.task\n"
                               "  pythonVersion: '3.5'\n"
                               "  region: us-central1\n"
                               "  runtimeVersion: '1.2'\n"
                               "  scaleTier: CUSTOM\n"
                               "  masterType: standard\n"
                               "  masterConfig: {acceleratorConfig: {count: 2, type: "
                               "NVIDIA_TESLA_T4}}\n"
                               "  evaluatorType: standard\n"
                               "  evaluatorCount: 1\n"
                               "  scheduling: {maxRunningTime: 7200s, maxWaitTime: 1800s}\n"
                               "  useChiefInTfConfig: true\n"
                               "dime:\n"
                               "  consistency: bounded:3\n"));
  EXPECT_EQ(input.job_id, "census_1");
  EXPECT_THAT(input.labels, ElementsAre(Pair("team", "ads-1")));
  EXPECT_THAT(input.args, ElementsAre("--train-steps", "1000"));
  EXPECT_EQ(input.job_dir, "gs://b/o");
  EXPECT_EQ(input.module, "trainer.task");
  EXPECT_EQ(input.runtime_version, "1.2");
  EXPECT_EQ(input.shape.master.machine.gpus, 2);
  EXPECT_EQ(input.shape.master.machine.gpu_type, "NVIDIA_TESLA_T4");
  EXPECT_FALSE(input.shape.master.machine.units_per_hour.has_value());
  EXPECT_EQ(input.shape.evaluators.count, 1);
  EXPECT_EQ(input.max_running_seconds, 7200);
  EXPECT_EQ(input.max_wait_seconds, 1800);
  EXPECT_TRUE(input.use_chief_in_tf_config);
  EXPECT_EQ(FormatConsistency(input.consistency), "bounded:3");
  EXPECT_THAT(input.notes,
              ElementsAre(HasSubstr("c.yaml:3: state"), HasSubstr("trainingInput.packageUris"),
                          HasSubstr("trainingInput.pythonVersion"),
                          HasSubstr("c.yaml:10: trainingInput.region: has no effect here")));
}

TEST_F(TrainingInputTest, AllReduceTakesStepsInCommonUnlessSaidOtherwise) {
  TrainingFlags flags;
  ASSERT_OK_AND_ASSIGN(const TrainingInput servers, Resolve(kCustom, flags));
  EXPECT_EQ(servers.dense, DenseRows::kServers);
  EXPECT_FALSE(servers.consistency.is_sync());
  flags.dense = "allreduce";
  ASSERT_OK_AND_ASSIGN(const TrainingInput all_reduce, Resolve(kCustom, flags));
  EXPECT_EQ(all_reduce.dense, DenseRows::kAllReduce);
  EXPECT_TRUE(all_reduce.consistency.is_sync());
}

TEST_F(TrainingInputTest, FlagsReplaceThePagesFields) {
  TrainingFlags flags;
  flags.worker_machine_type = "standard";
  flags.worker_count = 2;
  flags.args = std::vector<std::string>();
  flags.job_dir = "output/1";
  flags.consistency = "sync";
  flags.micro_batches = 7;
  ASSERT_OK_AND_ASSIGN(const TrainingInput input,
                       Resolve(std::string(kCustom) + "  args: [--a]\n  jobDir: x\n", flags));
  EXPECT_EQ(input.shape.workers.count, 2);
  EXPECT_EQ(input.shape.workers.machine.name, "standard");
  EXPECT_EQ(input.shape.parameter_servers.count, 3);
  EXPECT_THAT(input.args, IsEmpty());
  EXPECT_EQ(input.job_dir, "output/1");
  EXPECT_EQ(input.consistency.kind, Consistency::Kind::kSync);
  EXPECT_EQ(input.micro_batches, 7);
}

TEST_F(TrainingInputTest, FlagsAloneMakeACustomCluster) {
  TrainingFlags flags;
  flags.scale_tier = "custom";
  flags.master_machine_type = "large_model";
  flags.parameter_server_machine_type = "standard";
  flags.parameter_server_count = 2;
  ASSERT_OK_AND_ASSIGN(const TrainingInput input, Resolve("", flags));
  EXPECT_EQ(input.shape.Counts(), (RoleCounts{.masters = 1, .parameter_servers = 2}));
}

TEST_F(TrainingInputTest, AFlagsTierReplacesThePagesAndIsHeldAgainstItsMachines) {
  TrainingFlags flags;
  flags.scale_tier = "standard-1";
  ASSERT_OK_AND_ASSIGN(const TrainingInput input,
                       Resolve("trainingInput: {scaleTier: BASIC}", flags));
  EXPECT_EQ(input.scale_tier, "STANDARD_1");
  EXPECT_EQ(input.micro_batches, 5);
  ExpectRefused(kCustom,
                "c.yaml:3: trainingInput.masterType: machine types, counts and accelerators are "
                "given with the scale tier CUSTOM only, and the scale tier is STANDARD_1",
                flags);
}

TEST_F(TrainingInputTest, ACustomClusterKeepsTheRules) {
  ExpectInputRefused("scaleTier: CUSTOM",
                     "scaleTier: CUSTOM needs the master's machine type: "
                     "masterType in the page, or --master-machine-type");
  ExpectInputRefused("{scaleTier: CUSTOM, masterType: standard, workerCount: 2}",
                     "workerCount: workerType is mandatory, as workerCount is not 0");
  ExpectInputRefused("{scaleTier: CUSTOM, masterType: standard, parameterServerCount: 1}",
                     "parameterServerCount: parameterServerType is mandatory");
  ExpectInputRefused("masterType: standard",
                     "masterType: machine types, counts and accelerators are given with the scale "
                     "tier CUSTOM only, and the scale tier is BASIC, the default");
  ExpectInputRefused("{scaleTier: PREMIUM_1, workerCount: 2}", "workerCount: machine types");
  ExpectInputRefused("{scaleTier: CUSTOM, masterType: standrad}",
                     "masterType: there is no machine type 'standrad'; there are");
  ExpectInputRefused(
      "{scaleTier: CUSTOM, masterType: standard, workerType: standard, "
      "workerCount: 10000}",
      "scaleTier: the cluster has 10001 replicas; at most 10000 are allowed");
  ASSERT_OK_AND_ASSIGN(
      const TrainingInput input,
      Resolve("trainingInput: {scaleTier: CUSTOM, masterType: standard, workerType: standard}"));
  EXPECT_THAT(input.notes, ElementsAre("c.yaml:1: trainingInput.workerType: has no effect without "
                                       "workerCount"));
}

TEST_F(TrainingInputTest, AWrongFieldNamesLineKeyAndRule) {
  ExpectInputRefused("workerConut: 2", "workerConut: is no key of this mapping; allowed are args");
  ExpectInputRefused("workerCount: -1", "workerCount: '-1' is not a whole number from 0 to 10000");
  ExpectInputRefused("workerCount: 1e3", "workerCount: '1e3' is not a whole number");
  ExpectInputRefused("evaluatorCount: 2", "evaluatorCount: '2' is not a whole number from 0 to 1");
  ExpectInputRefused("scaleTier: BASICC", "scaleTier: there is no scale tier 'BASICC'; there are");
  ExpectInputRefused("args: --x", "args: is a single value; a list of texts is expected");
  ExpectInputRefused("scheduling: {maxRunningTime: 7200}",
                     "scheduling.maxRunningTime: '7200' is not a time from 1s");
  ExpectInputRefused("scheduling: {maxWaitTime: 1799s}",
                     "scheduling.maxWaitTime: '1799s' is not a time from 1800s");
  ExpectInputRefused("masterConfig: {acceleratorConfig: {count: 0, type: NVIDIA_TESLA_K80}}",
                     "masterConfig.acceleratorConfig.count: '0' is not a whole number from 1");
  ExpectInputRefused("masterConfig: {acceleratorConfig: {count: 1, type: NVIDIA_TESLA_K8}}",
                     "masterConfig.acceleratorConfig.type: there is no accelerator");
  std::string packages = "packageUris: [a";
  for (int i = 0; i < 100; ++i) packages += ", a";
  ExpectInputRefused(packages + "]", "packageUris: lists 101 packages; at most 100 are allowed");
  ExpectRefused("jobId: 1a\n", "c.yaml:1: jobId: '1a' is no job name");
  ExpectRefused("jobId: a-b\n", "c.yaml:1: jobId: 'a-b' is no job name");
  ExpectRefused("labels: {Team: x}\n", "c.yaml:1: labels.Team: keys and values of labels");
  ExpectRefused("labels: {team: X}\n", "c.yaml:1: labels.team: keys and values of labels");
  ExpectRefused("predictionInput: {}\n", "c.yaml:1: predictionInput: is no key of this mapping");
  ExpectRefused("dime: {consistency: asink}\n", "c.yaml:1: dime.consistency: 'asink' is none of");
  ExpectRefused("dime: {dense: server}\n",
                "c.yaml:1: dime.dense: 'server' is none of servers, allreduce");
  ExpectRefused("dime: {consistency: sync, pullAhead: true}\n",
                "c.yaml:1: dime.pullAhead: a step that all replicas take in common");
  ExpectRefused(
      "dime: {consistency: async, dense: allreduce}\n",
      "c.yaml:1: dime.dense: allreduce sums the gradients of steps that all replicas take "
      "in common: the consistency has to be sync, not async");
  ExpectRefused("dime: {microBatches: 0}\n", "c.yaml:1: dime.microBatches: '0' is not a whole");
  ExpectRefused("dime: {microbatches: 2}\n", "c.yaml:1: dime.microbatches: is no key");
}

TEST_F(TrainingInputTest, AWrongFlagIsNamed) {
  TrainingFlags flags;
  flags.worker_count = 2;
  ExpectRefused(kCustom,
                "--worker-count: --worker-count and --worker-machine-type are given "
                "together or not at all",
                flags);
  flags.worker_machine_type = "standrad";
  ExpectRefused(kCustom, "--worker-machine-type: there is no machine type 'standrad'", flags);
  flags.worker_machine_type = "standard";
  flags.worker_count = 0;
  ExpectRefused(kCustom, "--worker-count: '0' is not a whole number from 1 to 10000", flags);
  flags = {};
  flags.parameter_server_machine_type = "standard";
  ExpectRefused(kCustom,
                "--parameter-server-machine-type: --parameter-server-machine-type and "
                "--parameter-server-count are given together",
                flags);
  flags = {};
  flags.consistency = "bounded:2";
  flags.dense = "allreduce";
  ExpectRefused("", "--dense: allreduce sums", flags);
  flags = {};
  flags.consistency = "bounded:0";
  ExpectRefused("", "--consistency: 'bounded:0'", flags);
  flags = {};
  flags.micro_batches = 0;
  ExpectRefused("", "--micro-batches: '0' is not a whole number", flags);
  flags = {};
  flags.job_id = "no-dashes";
  ExpectRefused("", "JOB: 'no-dashes' is no job name", flags);
  flags = {};
  flags.scale_tier = "nothing";
  ExpectRefused("", "--scale-tier: there is no scale tier 'nothing'", flags);
}

TEST_F(TrainingInputTest, WhatDimeCannotDoIsSaidToBeSo) {
  ExpectNotHere("trainingInput: {scaleTier: BASIC_TPU}",
                "c.yaml:1: trainingInput.scaleTier: the scale tier BASIC_TPU asks for a TPU");
  ExpectNotHere("trainingInput: {scaleTier: CUSTOM, masterType: cloud_tpu}",
                "c.yaml:1: trainingInput.masterType: dime runs on no TPU");
  ExpectNotHere("trainingInput:\n  workerConfig: {acceleratorConfig: {count: 8, type: TPU_V2}}",
                "c.yaml:2: trainingInput.workerConfig.acceleratorConfig.type: dime runs on no TPU");
  ExpectNotHere("trainingInput:\n  masterConfig: {imageUri: x}",
                "c.yaml:2: trainingInput.masterConfig.imageUri: dime runs no containers");
  ExpectNotHere("trainingInput:\n  hyperparameters: {maxTrials: 4}",
                "c.yaml:2: trainingInput.hyperparameters: the tuning of hyperparameters is not");
}

TEST_F(TrainingInputTest, MicroBatchesWithoutSyncAreNoted) {
  ASSERT_OK_AND_ASSIGN(const TrainingInput input,
                       Resolve("trainingInput: {scaleTier: STANDARD_1}\ndime: {microBatches: 3}"));
  EXPECT_THAT(input.notes, ElementsAre(StartsWith("c.yaml:2: dime.microBatches: has no effect")));
}

}  // namespace
}  // namespace dime::cluster
