#include "cli/cluster_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace dime::cli {
namespace {

using ::testing::HasSubstr;

worker::ClusterReport SmallCluster() {
  worker::ClusterReport report;
  report.replicas.resize(3);
  for (std::size_t r = 0; r < 3; ++r) {
    worker::ReplicaReport& replica = report.replicas[r];
    replica.name = r == 0 ? "master-0" : "worker-" + std::to_string(r - 1);
    replica.num_batches = replica.num_pushes = 100;
    replica.num_examples = 4000;
    replica.phase_seconds = {0.1, 0.1, 0.3, 0.5};
    replica.parse_seconds = 0.25;
  }
  report.replicas[2].phase_seconds = {0.1, 0.1, 1.3, 0.5};
  report.servers = {{.name = "ps-0",
                     .num_requests = 300,
                     .num_rows_pulled = 123'456,
                     .num_rows_pushed = 120'000,
                     .num_bytes_in = 98'765'432,
                     .num_bytes_out = 1'500,
                     .most_waiting = 2,
                     .busy_seconds = 0.5,
                     .seconds = 2,
                     .hottest = {{"dnn/input_from_feature_columns/age_embedding/weights", 7, 90}},
                     .staleness = {100, 100, 50, 50}}};
  report.records = worker::RecordUses{.due = 12'000, .once = 12'000};
  return report;
}

TEST(ClusterTablesTest, SayWhereTheTimeWent) {
  const std::string text = FormatCluster(SmallCluster());
  EXPECT_THAT(
      text,
      HasSubstr(
          "replica   batches  examples  read wait  parse (cpu)  pull wait  compute  push wait\n"
          "master-0  100      4000      10 %       0.25 s       30 %       50 %     10 %\n"));
  EXPECT_THAT(
      text,
      HasSubstr("server  requests  rows pulled  rows pushed  received  sent    busy  most waiting  "
                "hottest rows\n"
                "ps-0    300       123k         120k         99 MB     1.5 kB  25 %  2             "
                "age_embedding:7\n"));
  EXPECT_THAT(text, HasSubstr("straggler  worker-1: 100 % slower than the median, 65 % of its time "
                              "in pull wait\n"));
  EXPECT_THAT(text, HasSubstr("staleness  0: 33 %, 1: 33 %, 2 and more: 33 %\n"));
  EXPECT_THAT(text, HasSubstr("records    all 12000 used exactly once\n"));
}

TEST(ClusterTablesTest, SayWhatBecameOfRecords) {
  worker::ClusterReport report = SmallCluster();
  report.records = worker::RecordUses{.due = 100, .never = 3, .once = 90, .repeated = 7};
  EXPECT_THAT(FormatCluster(report),
              HasSubstr("of 100: 3 never used, 90 once, up to 7 more than once"));
  report.in_common = true;
  report.records.reset();
  EXPECT_THAT(FormatCluster(report), ::testing::Not(HasSubstr("staleness")));
}

TEST(ClusterTablesTest, OneProcessHasNone) {
  worker::ClusterReport report = SmallCluster();
  report.servers.clear();
  EXPECT_EQ(FormatCluster(report), "");
}

TEST(ClusterTablesTest, JsonHasAllOfIt) {
  const auto json = nlohmann::json::parse(FormatClusterJson(SmallCluster()));
  EXPECT_EQ(json["replicas"].size(), 3u);
  EXPECT_EQ(json["replicas"][1]["name"], "worker-0");
  EXPECT_EQ(json["replicas"][1]["seconds"]["pull_wait"], 0.3);
  EXPECT_EQ(json["servers"][0]["hottest"][0]["id"], 7);
  EXPECT_EQ(json["straggler"]["name"], "worker-1");
  EXPECT_EQ(json["staleness"]["p50"], 1);
  EXPECT_EQ(json["records"]["used_once"], 12'000);
  const auto empty = nlohmann::json::parse(FormatClusterJson({}));
  EXPECT_TRUE(empty["records"].is_null());
  EXPECT_TRUE(empty["straggler"].is_null());
}

}  // namespace
}  // namespace dime::cli
