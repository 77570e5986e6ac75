// What users see of a cluster: the report of records and of replicas, and the page of metrics.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/net/socket.h"
#include "tests/cli/training_words.h"
#include "tests/support/census_rows.h"
#include "tests/support/eventually.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace dime::cli {
namespace {

using ::dime::testing::Ended;
using ::dime::testing::Eventually;
using ::dime::testing::kLongest;
using ::dime::testing::Process;
using ::dime::testing::ReadText;
using ::dime::testing::TempDir;
using ::dime::testing::WriteCensusRows;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::int64_t kNumRows = 700;

class ClusterReportTest : public ::testing::Test {
 protected:
  std::vector<std::string> Train(const std::vector<std::string>& own,
                                 const std::vector<std::string>& trainer) {
    std::vector<std::string> flags = {"--scale-tier", "STANDARD_1", "--export-name="};
    flags.insert(flags.end(), own.begin(), own.end());
    return TrainingWords(dir_.File("job"), flags, rows_, trainer);
  }
  nlohmann::json Dime(std::vector<std::string> own, const std::vector<std::string>& trainer) {
    own.insert(own.end(), {"--format", "json"});
    const Ended ended = Process(dir_, Train(own, trainer)).Wait();
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return nlohmann::json::parse(ended.out, nullptr, /*allow_exceptions=*/false);
  }
  static std::int64_t Sum(const nlohmann::json& parts, const char* what) {
    std::int64_t sum = 0;
    for (const nlohmann::json& part : parts) sum += part[what].get<std::int64_t>();
    return sum;
  }
  // How many steps the newest checkpoint of the job has; 0: none.
  [[nodiscard]] std::int64_t NewestStep() const {
    constexpr std::string_view kStart = "model_checkpoint_path: \"model.ckpt-";
    const std::string state = ReadText(dir_.File("job/checkpoint"));
    const std::size_t at = state.find(kStart);
    return at == std::string::npos ? 0 : std::stoll(state.substr(at + kStart.size()));
  }
  [[nodiscard]] std::string Leases() const { return ReadText(dir_.File("job/dime/leases")); }

  const TempDir dir_;
  const std::string rows_ = WriteCensusRows(dir_.File("rows.csv"), kNumRows);
};

TEST_F(ClusterReportTest, EveryRecordIsUsedExactlyOnceAnEpoch) {
  using Words = std::vector<std::string>;
  for (const Words& own : {Words{"--consistency=async"}, Words{"--consistency=bounded:2"},
                           Words{"--consistency=async", "--pull-ahead"}}) {
    const std::string consistency = fmt::format("{}", fmt::join(own, " "));
    std::filesystem::remove_all(dir_.File("job"));
    const auto result = Dime(own, {"--num-epochs", "13"});
    const nlohmann::json& cluster = result["cluster"];
    EXPECT_EQ(cluster["records"]["due"], 13 * kNumRows) << consistency;
    EXPECT_EQ(cluster["records"]["used_once"], 13 * kNumRows) << consistency;
    EXPECT_EQ(cluster["records"]["used_0_times"], 0) << consistency;
    EXPECT_EQ(cluster["records"]["used_2_or_more_times"], 0) << consistency;
    EXPECT_EQ(Sum(cluster["replicas"], "examples"), 13 * kNumRows) << consistency;
  }
}

TEST_F(ClusterReportTest, TheSumsAreTheTotals) {
  const auto result = Dime({"--consistency", "async"}, {"--train-steps", "503"});
  const nlohmann::json& cluster = result["cluster"];
  EXPECT_EQ(result["global_step"], 503);
  EXPECT_GT(result["final_loss"], 0);
  ASSERT_EQ(cluster["replicas"].size(), 5u);
  EXPECT_EQ(cluster["replicas"][0]["name"], "master-0");
  EXPECT_EQ(cluster["replicas"][4]["name"], "worker-3");
  EXPECT_EQ(Sum(cluster["replicas"], "batches"), 503);
  EXPECT_EQ(Sum(cluster["replicas"], "pushes"), 503);
  EXPECT_EQ(Sum(cluster["replicas"], "examples"), 503 * 40);
  for (const nlohmann::json& replica : cluster["replicas"]) {
    if (replica["batches"] == 0) continue;
    EXPECT_GT(replica["seconds"]["compute"], 0) << replica;
    EXPECT_GT(replica["seconds"]["pull_wait"], 0) << replica;
    EXPECT_GT(replica["parse_cpu_seconds"], 0) << replica;
  }
  ASSERT_EQ(cluster["servers"].size(), 3u);
  EXPECT_GT(Sum(cluster["servers"], "requests"), 3 * 503);
  EXPECT_EQ(Sum(cluster["servers"], "rows_pulled"), Sum(cluster["servers"], "rows_pushed"));
  std::int64_t num_pushes = 0;
  for (const auto& count : cluster["staleness"]["counts"]) num_pushes += count.get<std::int64_t>();
  EXPECT_EQ(num_pushes, 3 * 503);  // Each server counts.
}

TEST_F(ClusterReportTest, SyncHasNoLeasesAndAsManyBatchesOfEachReplica) {
  const auto result = Dime({"--consistency", "sync"}, {"--train-steps", "50"});
  EXPECT_TRUE(result["cluster"]["records"].is_null());
  for (const nlohmann::json& replica : result["cluster"]["replicas"]) {
    EXPECT_EQ(replica["batches"], 50) << replica;
  }
}

TEST_F(ClusterReportTest, TextHasTheTables) {
  const Ended ended = Process(dir_, Train({}, {"--train-steps", "300"})).Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.out, ContainsRegex("replica +batches +examples +read wait"));
  EXPECT_THAT(ended.out, ContainsRegex("worker-3 +[0-9]+ +[0-9]+ +[0-9]+ %"));
  EXPECT_THAT(ended.out, ContainsRegex("ps-2 +[0-9]+ "));
  EXPECT_THAT(ended.out, ContainsRegex("staleness +[0-9]"));
  EXPECT_THAT(ended.out, HasSubstr("all 12000 used exactly once"));
}

TEST_F(ClusterReportTest, AStoppedJobGoesOnWithTheNextRecord) {
  Process process(
      dir_, Train({"--format", "json", "--checkpoint-steps", "500"}, {"--train-steps", "1000000"}));
  ASSERT_TRUE(Eventually([&] { return NewestStep() > 0; }));
  process.Signal(SIGINT);
  const Ended ended = process.Wait();
  EXPECT_EQ(ended.exit_code, 130) << ended.err;
  const auto stopped = nlohmann::json::parse(ended.out);
  const std::int64_t step = stopped["global_step"];
  EXPECT_EQ(NewestStep(), step);
  EXPECT_EQ(stopped["cluster"]["records"]["due"], step * 40);
  EXPECT_EQ(stopped["cluster"]["records"]["used_once"], step * 40);
  // The last checkpoint needs no line: it has all batches below its step.
  EXPECT_THAT(Leases(), ::testing::Not(HasSubstr(fmt::format("model.ckpt-{}:", step))));
  const auto result = Dime({}, {"--train-steps", std::to_string(step + 100)});
  EXPECT_EQ(result["first_step"], step);
  EXPECT_EQ(result["cluster"]["records"]["used_once"], 100 * 40);
  EXPECT_EQ(result["cluster"]["records"]["used_2_or_more_times"], 0);
}

TEST_F(ClusterReportTest, AKilledJobLosesNoBatchAndSaysWhatMayBeUsedTwice) {
  {
    const Process process(dir_, Train({"--checkpoint-steps", "500"}, {"--train-steps", "1000000"}));
    ASSERT_TRUE(Eventually([&] { return NewestStep() > 0; }));
  }  // SIGKILL.
  const std::int64_t step = NewestStep();
  ASSERT_THAT(Leases(), HasSubstr(fmt::format("model.ckpt-{}:", step)));
  const std::int64_t last_step = step + 2000;
  const auto result = Dime({}, {"--train-steps", std::to_string(last_step)});
  EXPECT_EQ(result["first_step"], step);
  EXPECT_EQ(result["global_step"], last_step);
  const nlohmann::json& records = result["cluster"]["records"];
  EXPECT_EQ(records["due"], 2000 * 40);
  EXPECT_EQ(records["used_0_times"], 0);
  EXPECT_GT(records["used_2_or_more_times"], 0);
  EXPECT_LT(records["used_2_or_more_times"], 2000 * 40);
  // The gaps that the first run left were filled first.
  const std::string line = fmt::format("model.ckpt-{}: 0-", last_step);
  const std::size_t at = Leases().find(line);
  ASSERT_NE(at, std::string::npos) << Leases();
  EXPECT_GE(std::stoll(Leases().substr(at + line.size())), 2000);
}

TEST_F(ClusterReportTest, MetricsAreServedWhileTrainingGoesOn) {
  const Process process(dir_, Train({"--metrics-port", "0"}, {"--train-steps", "1000000"}));
  constexpr std::string_view kStart = "metrics are at http://127.0.0.1:";
  ASSERT_TRUE(
      Eventually([&] { return ReadText(dir_.File("stderr")).find(kStart) != std::string::npos; }));
  const std::string log = ReadText(dir_.File("stderr"));
  const net::Address address = {
      .host = "127.0.0.1",
      .port = static_cast<std::uint16_t>(std::stoi(log.substr(log.find(kStart) + kStart.size())))};
  const auto scrape = [&] {
    const auto deadline = net::Clock::now() + kLongest;
    auto socket = net::Socket::Connect(address, deadline);
    EXPECT_TRUE(socket.ok()) << socket.status();
    std::string request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const iovec part = {request.data(), request.size()};
    EXPECT_TRUE(socket->Send({&part, 1}).ok());
    std::string text;
    std::string buffer(4096, '\0');
    const iovec room = {buffer.data(), buffer.size()};
    while (socket->AwaitReadable(deadline).ok()) {
      const auto size = socket->Receive({&room, 1});
      if (!size.ok()) break;
      text.append(buffer, 0, *size);
    }
    return text;
  };
  const std::vector<std::string> awaited = {
      "\ndime_global_step [1-9]",
      "\ndime_server_requests_total.server=.ps-2.. [1-9]",
      "\ndime_replica_examples_total.replica=.worker-3.. [1-9]",
      "\ndime_replica_phase_seconds_total.replica=.worker-0.,phase=.pull_wait.. [0-9]",
      "\ndime_push_staleness_updates_count [1-9]",
      "\ndime_record_uses.times=.1.. [1-9]"};
  std::string page;
  EXPECT_TRUE(Eventually([&] {
    page = scrape();
    return std::ranges::all_of(awaited, [&](const std::string& pattern) {
      return ::testing::Matches(ContainsRegex(pattern))(page);
    });
  })) << page;
  EXPECT_THAT(page, StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(ClusterReportTest, APortThatIsTakenIsAnErrorBeforeTrainingBegins) {
  const auto listener = net::Listener::Open({.host = "127.0.0.1", .port = 0});
  ASSERT_TRUE(listener.ok());
  const Ended ended =
      Process(dir_, Train({"--metrics-port", std::to_string(listener->address().port)},
                          {"--train-steps", "10"}))
          .Wait();
  EXPECT_EQ(ended.exit_code, 69) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("cannot listen on 127.0.0.1:"));
}

}  // namespace
}  // namespace dime::cli
