// What replicas report, and what the master makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"
#include "worker/report/cluster_report.h"
#include "worker/report/cluster_watch.h"
#include "worker/report/metrics_text.h"
#include "worker/report/report_wire.h"

namespace dime::worker {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ReplicaReport Replica(const std::string& name, std::int64_t num_batches, double read, double push,
                      double pull, double compute) {
  ReplicaReport replica;
  replica.name = name;
  replica.num_batches = num_batches;
  replica.phase_seconds = {read, push, pull, compute};
  return replica;
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span<const char>(text));
}

TEST(QuantileTest, IsTheLeastThatCoversTheShare) {
  EXPECT_EQ(QuantileOf({}, 0.5), std::nullopt);
  EXPECT_EQ(QuantileOf(std::vector<std::int64_t>{0, 0}, 0.5), std::nullopt);
  const std::vector<std::int64_t> counts = {10, 40, 49, 0, 1};
  EXPECT_EQ(QuantileOf(counts, 0), 0);
  EXPECT_EQ(QuantileOf(counts, 0.1), 0);
  EXPECT_EQ(QuantileOf(counts, 0.5), 1);
  EXPECT_EQ(QuantileOf(counts, 0.99), 2);
  EXPECT_EQ(QuantileOf(counts, 1), 4);
}

TEST(StragglerTest, IsTheOneThatTakesMoreTimeABatchAndSaysOnWhat) {
  ClusterReport report;
  report.replicas = {Replica("master-0", 100, 0, 1, 3, 6), Replica("worker-0", 100, 0, 1, 3, 6),
                     Replica("worker-1", 50, 0, 0.5, 7, 3)};
  const auto straggler = FindStraggler(report);
  ASSERT_TRUE(straggler.has_value());
  EXPECT_EQ(straggler->name, "worker-1");
  EXPECT_NEAR(straggler->slower, 1.1, 1e-9);
  EXPECT_EQ(straggler->phase, StepPhase::kPullWait);
  EXPECT_EQ(FormatStraggler(*straggler),
            "worker-1: 110 % slower than the median, 67 % of its time in pull wait");
}

TEST(StragglerTest, InSyncWaitingForOthersIsNoFault) {
  ClusterReport report;
  report.in_common = true;
  report.replicas = {Replica("master-0", 100, 0, 1, 7, 2), Replica("worker-0", 100, 0, 1, 7, 2),
                     Replica("worker-1", 100, 0, 1, 0, 9)};
  const auto straggler = FindStraggler(report);
  ASSERT_TRUE(straggler.has_value());
  EXPECT_EQ(straggler->name, "worker-1");
  EXPECT_EQ(straggler->phase, StepPhase::kCompute);
}

TEST(StragglerTest, NobodyIsOneAmongEquals) {
  ClusterReport report;
  EXPECT_FALSE(FindStraggler(report).has_value());
  report.replicas = {Replica("master-0", 100, 0, 1, 3, 6)};
  EXPECT_FALSE(FindStraggler(report).has_value());
  report.replicas.push_back(Replica("worker-0", 100, 0, 1, 3, 6.5));
  report.replicas.push_back(Replica("worker-1", 0, 0, 0, 0, 0));
  EXPECT_FALSE(FindStraggler(report).has_value());
}

TEST(ReportWireTest, BringsBackWhatWasSent) {
  ReplicaMeter meter;
  meter.Start();
  meter.CountBatch(40);
  meter.CountBatch(23);
  meter.CountPush();
  meter.AddParse(1.5);
  meter.Lap(StepPhase::kPullWait);
  const ReplicaReportMessage sent = MakeReplicaReport(meter);
  const auto message = DecodeReplicaReport(BytesOf(Encode(sent)));
  ASSERT_OK(message.status());
  EXPECT_EQ(message->num_batches, 2);
  EXPECT_EQ(message->num_pushes, 1);
  EXPECT_EQ(message->num_examples, 63);
  EXPECT_EQ(message->parse_seconds, 1.5);
  EXPECT_EQ(message->phase_seconds, sent.phase_seconds);

  ps::ServerStatistics statistics{.num_requests = 7, .most_waiting = 3, .busy_seconds = 0.5};
  statistics.staleness = {5, 6, 7};
  statistics.hottest = {{1, 99, 1000}, {0, 2, 500}};
  const auto decoded = DecodeServerReport(BytesOf(EncodeServerReport(statistics)));
  ASSERT_OK(decoded.status());
  EXPECT_EQ(decoded->num_requests, 7);
  EXPECT_EQ(decoded->most_waiting, 3);
  EXPECT_EQ(decoded->busy_seconds, 0.5);
  EXPECT_THAT(decoded->staleness, ElementsAre(5, 6, 7));
  ASSERT_EQ(decoded->hottest.size(), 2u);
  EXPECT_EQ(decoded->hottest[0].id, 99);
}

TEST(ReportWireTest, RefusesWhatIsNoReport) {
  const std::string server = EncodeServerReport({.staleness = {1, 2}, .hottest = {{0, 1, 2}}});
  for (std::size_t size = 0; size < server.size(); ++size) {
    EXPECT_THAT(DecodeServerReport(BytesOf(server.substr(0, size))).status(),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("message ends")))
        << size;
  }
  EXPECT_FALSE(DecodeServerReport(BytesOf(server + "x")).ok());
  EXPECT_FALSE(DecodeReplicaReport(BytesOf("short")).ok());
  ReplicaReportMessage message;
  message.phase_seconds[1] = std::nan("");
  EXPECT_FALSE(DecodeReplicaReport(BytesOf(Encode(message))).ok());
  message.phase_seconds[1] = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(DecodeReplicaReport(BytesOf(Encode(message))).ok());
}

TEST(ClusterWatchTest, SumsUpWhatReplicasReport) {
  ClusterWatch watch({.num_replicas = 2, .num_servers = 2, .in_common = false, .tables = {"t"}});
  const auto start = ClusterWatch::Clock::now();
  const auto at = [&](int ms) { return start + std::chrono::milliseconds(ms); };
  watch.OnReplica(0, {.num_batches = 10, .num_examples = 400}, at(0));
  watch.OnReplica(1, {.num_batches = 5, .num_examples = 200}, at(0));
  watch.OnReplica(0, {.num_batches = 19, .num_examples = 760}, at(20));  // Too soon for a speed.
  watch.OnReplica(0, {.num_batches = 20, .num_examples = 800}, at(500));
  watch.OnReplica(1, {.num_batches = 6, .num_examples = 240}, at(250));
  EXPECT_OK(watch.OnServer(0, {.num_requests = 3, .staleness = {1, 2}, .hottest = {{0, 9, 512}}}));
  EXPECT_OK(watch.OnServer(1, {.staleness = {10, 0, 4}}));
  EXPECT_FALSE(watch.OnServer(1, {.hottest = {{1, 9, 512}}}).ok());

  const ClusterReport report = watch.Snapshot(at(600));
  ASSERT_EQ(report.replicas.size(), 2u);
  EXPECT_EQ(report.replicas[0].name, "master-0");
  EXPECT_EQ(report.replicas[1].name, "worker-0");
  EXPECT_EQ(report.replicas[0].num_batches, 20);
  EXPECT_NEAR(report.ExamplesPerSecond(), 800 + 160, 1e-6);
  EXPECT_THAT(report.Staleness(), ElementsAre(11, 2, 4));
  EXPECT_EQ(report.servers[0].hottest[0].table, "t");
  // Who has been silent for a while takes no examples now.
  EXPECT_NEAR(watch.Snapshot(at(1300)).ExamplesPerSecond(), 800, 1e-6);
}

TEST(MetricsTextTest, IsWhatPrometheusReads) {
  ClusterReport report;
  report.step = 7;
  report.replicas = {Replica("master-0", 4, 0.5, 0.25, 2, 1)};
  report.replicas[0].num_examples = 160;
  report.servers = {{.name = "ps-0", .num_requests = 9, .num_bytes_in = 5'000'000'000}};
  report.servers[0].staleness = {5, 2, 0, 1};
  report.servers[0].staleness.resize(65);
  report.servers[0].staleness[64] = 1;
  report.records = RecordUses{.due = 10, .never = 1, .once = 7, .repeated = 2};
  const std::string text = FormatMetrics(report);
  for (const char* const line : {
           "# TYPE dime_global_step gauge\ndime_global_step 7\n",
           "dime_replica_examples_total{replica=\"master-0\"} 160\n",
           "dime_replica_phase_seconds_total{replica=\"master-0\",phase=\"pull_wait\"} 2\n",
           "dime_replica_phase_seconds_total{replica=\"master-0\",phase=\"push_wait\"} 0.25\n",
           "dime_server_received_bytes_total{server=\"ps-0\"} 5000000000\n",
           "# TYPE dime_push_staleness_updates histogram\n",
           "dime_push_staleness_updates_bucket{le=\"0\"} 5\n",
           "dime_push_staleness_updates_bucket{le=\"2\"} 7\n",
           "dime_push_staleness_updates_bucket{le=\"63\"} 8\n",
           "dime_push_staleness_updates_bucket{le=\"+Inf\"} 9\n",
           "dime_push_staleness_updates_count 9\n",
           "dime_record_uses{times=\"2+\"} 2\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(MetricsTextTest, EveryFamilyIsExplainedOnceAndBeforeItsSamples) {
  ClusterReport report;
  report.replicas = {Replica("master-0", 4, 0, 0, 0, 0), Replica("worker-0", 4, 0, 0, 0, 0)};
  report.servers = {{.name = "ps-0"}, {.name = "ps-1"}};
  std::istringstream lines(FormatMetrics(report));
  std::set<std::string> explained;
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(explained.insert(family).second) << line;
    } else if (!line.starts_with("#")) {
      EXPECT_TRUE(line.starts_with(family)) << line;
    }
  }
  EXPECT_GT(explained.size(), 10u);
}

}  // namespace
}  // namespace dime::worker
