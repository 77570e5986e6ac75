#include "runtime/cluster/tf_config.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace dime::cluster {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::StrEq;

// As Cloud ML Engine gives it to worker 3 of a STANDARD_1 job.
constexpr char kStandard1Json[] = R"({
  "cluster": {"master": ["cmle-training-master-e118e0f997-0:2222"],
              "ps": ["p-0:2222", "p-1:2222", "p-2:2222"],
              "worker": ["w-0:2222", "w-1:2222", "w-2:2222", "w-3:2222"]},
  "task": {"type": "worker", "index": 3, "cloud": "w93a1503672d4dd09-ml"},
  "job": {"scale_tier": "STANDARD_1", "args": ["--x", "\ud83d\ude00"]},
  "environment": "cloud"})";

void ExpectRefused(const std::string& json, const std::string& message) {
  EXPECT_THAT(ParseTfConfig(json),
              StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("TF_CONFIG: " + message)));
}

// `task` in a cluster of a master, a worker and a server.
std::string WithTask(const std::string& task) {
  return R"({"cluster": {"master": ["m:1"], "worker": ["w:1"], "ps": ["p:1"]}, "task": )" + task +
         "}";
}

TEST(TfConfigTest, IsReadAsCloudMlEngineGivesIt) {
  ASSERT_OK_AND_ASSIGN(const TfConfig config, ParseTfConfig(kStandard1Json));
  EXPECT_EQ(config.cluster.master, "cmle-training-master-e118e0f997-0:2222");
  EXPECT_THAT(config.cluster.parameter_servers, ElementsAre("p-0:2222", "p-1:2222", "p-2:2222"));
  EXPECT_EQ(config.cluster.workers.size(), 4u);
  EXPECT_EQ(config.task, (ReplicaId{Role::kWorker, 3}));
  EXPECT_EQ(config.environment, "cloud");
  EXPECT_EQ(config.trial, "");
  EXPECT_FALSE(config.has_chief);
  EXPECT_EQ(config.job, "{\"args\":[\"--x\",\"\xf0\x9f\x98\x80\"],\"scale_tier\":\"STANDARD_1\"}");
}

TEST(TfConfigTest, IsWrittenAsCloudMlEngineGivesIt) {
  const TfConfig config = {
      .cluster = {.master = "m:1", .workers = {"w:1", "w:2"}, .parameter_servers = {"p:1"}},
      .task = {Role::kParameterServer, 0},
      .trial = "2",
      .job = R"({"job_name": "j"})"};
  EXPECT_EQ(FormatTfConfig(config),
            R"({"cluster":{"master":["m:1"],"ps":["p:1"],"worker":["w:1","w:2"]},)"
            R"("task":{"type":"ps","index":0,"trial":"2"},"job":{"job_name":"j"},)"
            R"("environment":"cloud"})");
  // The local runner's, of a job that is not distributed.
  EXPECT_EQ(FormatTfConfig({.cluster = {}, .task = {}, .trial = "", .job = "{}"}),
            R"({"cluster":{},"task":{},"job":{},"environment":"cloud"})");
}

TEST(TfConfigTest, WhatIsWrittenIsReadBackToTheSame) {
  for (const std::string& json :
       {std::string(kStandard1Json), std::string("{}"),
        WithTask(R"({"type": "master", "index": 0})"),
        std::string(R"({"cluster": {"chief": ["c:1"], "ps": ["p:1"]},)"
                    R"("task": {"type": "chief", "index": 0, "trial": "7"}})")}) {
    ASSERT_OK_AND_ASSIGN(const TfConfig config, ParseTfConfig(json));
    ASSERT_OK_AND_ASSIGN(const TfConfig again, ParseTfConfig(FormatTfConfig(config)));
    EXPECT_EQ(again, config) << json;
  }
}

TEST(TfConfigTest, NothingAndEmptyObjectsAreAJobOfOneProcess) {
  for (const char* const json :
       {"", " ", "{}", R"({"cluster": {}, "task": {}})", R"({"cluster": null})",
        R"({"task": {"type": "worker", "index": 0}})", R"({"model_dir": "x"})"}) {
    ASSERT_OK_AND_ASSIGN(const TfConfig config, ParseTfConfig(json));
    EXPECT_TRUE(config.cluster.empty()) << json;
    EXPECT_EQ(config.task, ReplicaId()) << json;
  }
}

TEST(TfConfigTest, AChiefIsAMasterByAnotherName) {
  ASSERT_OK_AND_ASSIGN(const TfConfig config,
                       ParseTfConfig(R"({"cluster": {"chief": ["c:1"], "worker": ["w:1"]},)"
                                     R"("task": {"type": "chief", "index": 0}})"));
  EXPECT_TRUE(config.has_chief);
  EXPECT_EQ(config.task, (ReplicaId{Role::kMaster, 0}));
  EXPECT_THAT(FormatTfConfig(config), StartsWith(R"({"cluster":{"chief":["c:1"])"));
}

TEST(TfConfigTest, AnEvaluatorIsATaskAndNeverInTheCluster) {
  ASSERT_OK_AND_ASSIGN(const TfConfig config,
                       ParseTfConfig(WithTask(R"({"type": "evaluator", "index": 0})")));
  EXPECT_EQ(config.task, (ReplicaId{Role::kEvaluator, 0}));
  ExpectRefused(R"({"cluster": {"master": ["m:1"], "evaluator": ["e:1"]}})",
                "cluster.evaluator: an evaluator is a task, and no part of the cluster");
  ExpectRefused(WithTask(R"({"type": "evaluator", "index": 1})"), "task.index: 1 is too large");
}

TEST(TfConfigTest, TheIndexMayBeAText) {
  ASSERT_OK_AND_ASSIGN(const TfConfig config,
                       ParseTfConfig(WithTask(R"({"type": "worker", "index": "0"})")));
  EXPECT_EQ(config.task, (ReplicaId{Role::kWorker, 0}));
}

TEST(TfConfigTest, AWrongClusterIsNamed) {
  const auto with_cluster = [](const std::string& cluster) {
    return R"({"task": {"type": "master", "index": 0}, "cluster": )" + cluster + "}";
  };
  ExpectRefused(with_cluster(R"({"worker": ["w:1"]})"),
                "cluster: has neither a master nor a chief");
  ExpectRefused(with_cluster(R"({"master": ["m:1"], "chief": ["c:1"]})"),
                "cluster: has a master and a chief");
  ExpectRefused(with_cluster(R"({"master": ["m:1", "m:2"]})"),
                "cluster.master: exactly one address is needed, not 2");
  ExpectRefused(with_cluster(R"({"master": ["m:1"], "wroker": ["w:1"]})"),
                "cluster.wroker: is no role; allowed are master, chief, worker, ps; did you mean "
                "'worker'?");
  ExpectRefused(with_cluster(R"({"master": ["m:1"], "worker": ["w:1", "w"]})"),
                "cluster.worker[1]: 'w' is no address");
  ExpectRefused(with_cluster(R"({"master": ["m:1"], "worker": [7]})"),
                "cluster.worker[0]: 7 is no text");
  ExpectRefused(with_cluster(R"({"master": ["m:1"], "worker": {"0": "w:1"}})"),
                "cluster.worker: {\"0\":\"w:1\"} is no list of addresses");
  ExpectRefused(with_cluster(R"({"master": ["m:1"], "worker": ["m:1"]})"),
                "cluster: worker-0: 'm:1' is the address of master-0 already");
  ExpectRefused(with_cluster("[]"), "cluster: [] is no object");
}

TEST(TfConfigTest, AWrongTaskIsNamed) {
  ExpectRefused(R"({"cluster": {"master": ["m:1"]}})", "task: the key 'type' is missing");
  ExpectRefused(WithTask(R"({"type": "worker"})"), "task: the key 'index' is missing");
  ExpectRefused(WithTask("3"), "task: 3 is no object");
  ExpectRefused(WithTask(R"({"type": 3, "index": 0})"), "task.type: 3 is no text");
  ExpectRefused(WithTask(R"({"type": "wroker", "index": 0})"),
                "task.type: there is no role 'wroker'; there are master, worker, ps, evaluator; "
                "did you mean 'worker'?");
  ExpectRefused(WithTask(R"({"type": "chief", "index": 0})"),
                "task.type: 'chief' is not in the cluster, which has a master");
  ExpectRefused(WithTask(R"({"type": "worker", "index": 1})"),
                "task.index: 1 is too large: the cluster has 1 of worker");
  for (const char* const index : {"-1", "1.5", "true", "\"x\"", "1e9", "99999999999999999999"}) {
    ExpectRefused(WithTask(fmt::format(R"({{"type": "worker", "index": {}}})", index)),
                  "task.index: ");
  }
  ExpectRefused(R"({"cluster": {"master": ["m:1"]}, "task": {"type": "ps", "index": 0}})",
                "task.type: 'ps' is not in the cluster");
}

TEST(TfConfigTest, WhatIsNoJsonObjectIsRefusedWithinLimits) {
  ExpectRefused("{", "is not JSON: parse error at line 1, column 2");
  ExpectRefused("[1]", "is no JSON object: [1]");
  ExpectRefused("{\"a\": \"\xff\"}", "is not JSON: ");
  ExpectRefused(std::string(kMaxTfConfigBytes + 1, ' ') + "{}", "is 1048579 bytes long");
  ExpectRefused("{\"a\":" + std::string(64, '[') + std::string(64, ']') + "}",
                "is nested more than 64 levels deep");
  EXPECT_OK(ParseTfConfig("{\"a\":" + std::string(63, '[') + std::string(63, ']') + "}"));
  EXPECT_OK(ParseTfConfig("{\"a\": \"" + std::string(100, '[') + "\\\"[\"}"));
  std::string many = "{\"\":0";
  for (int i = 0; many.size() < 1'000'000; ++i) many += fmt::format(",\"{}\":0", i);
  EXPECT_OK(ParseTfConfig(many + "}"));
  ExpectRefused(R"({"environment": 3})", "environment: 3 is no text");
}

}  // namespace
}  // namespace dime::cluster
