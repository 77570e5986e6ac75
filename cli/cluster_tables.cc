#include "cli/cluster_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "cli/terminal/progress_text.h"
#include "cli/terminal/table.h"

namespace dime::cli {
namespace {

using worker::ClusterReport;
using worker::ReplicaReport;
using worker::ServerReport;
using worker::StepPhase;

// In the order of their way: a record is read and parsed, rows are pulled, gradients are pushed.
constexpr std::array kPhases = {StepPhase::kReadWait, StepPhase::kPullWait, StepPhase::kCompute,
                                StepPhase::kPushWait};
constexpr std::size_t kHotRowsShown = 3;

std::string FormatShare(double part, double whole) {
  return whole > 0 ? fmt::format("{:.0f} %", part / whole * 100) : "-";
}

std::string FormatBytes(std::int64_t bytes) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return fmt::format("{:.{}f} {}", value, unit > 0 && value < 9.95 ? 1 : 0, kUnits[unit]);
}

std::string FormatReplicas(const ClusterReport& report) {
  std::vector<TableRow> rows = {{"replica", "batches", "examples", "read wait", "parse (cpu)",
                                 "pull wait", "compute", "push wait"}};
  for (const ReplicaReport& replica : report.replicas) {
    TableRow row = {replica.name, std::to_string(replica.num_batches),
                    std::to_string(replica.num_examples)};
    for (const StepPhase phase : kPhases) {
      row.push_back(FormatShare(replica.seconds(phase), replica.TotalSeconds()));
      if (phase == StepPhase::kReadWait) {
        row.push_back(fmt::format("{:.2f} s", replica.parse_seconds));
      }
    }
    rows.push_back(std::move(row));
  }
  return FormatTable(rows);
}

std::string FormatHottest(const ServerReport& server) {
  std::string text;
  for (std::size_t i = 0; i < std::min(server.hottest.size(), kHotRowsShown); ++i) {
    const worker::HotRow& row = server.hottest[i];
    // A table's name is long, and its last part but one tells the column.
    const std::string_view name = row.table;
    const std::string_view stem = name.substr(0, name.rfind('/'));
    text += fmt::format("{}{}:{}", i > 0 ? ", " : "", stem.substr(stem.rfind('/') + 1), row.id);
  }
  return text;
}

std::string FormatServers(const ClusterReport& report) {
  std::vector<TableRow> rows = {{"server", "requests", "rows pulled", "rows pushed", "received",
                                 "sent", "busy", "most waiting", "hottest rows"}};
  for (const ServerReport& server : report.servers) {
    rows.push_back({server.name, std::to_string(server.num_requests),
                    FormatRate(static_cast<double>(server.num_rows_pulled)),
                    FormatRate(static_cast<double>(server.num_rows_pushed)),
                    FormatBytes(server.num_bytes_in), FormatBytes(server.num_bytes_out),
                    FormatShare(server.busy_seconds, server.seconds),
                    std::to_string(server.most_waiting), FormatHottest(server)});
  }
  return FormatTable(rows);
}

// "0: 31 %, 1: 20 %, 2-3: 40 %, ...": by powers of two.
std::string FormatStaleness(const std::vector<std::int64_t>& counts) {
  double all = 0;
  for (const std::int64_t count : counts) all += static_cast<double>(count);
  std::string text;
  for (std::size_t first = 0, size = 1; first < counts.size();
       first += size, size = std::max<std::size_t>(first, 1)) {
    const std::size_t end = std::min(first + size, counts.size());
    double count = 0;
    for (std::size_t s = first; s < end; ++s) count += static_cast<double>(counts[s]);
    if (count == 0) continue;
    std::string range = std::to_string(first);
    if (end == counts.size()) {
      range += " and more";
    } else if (end > first + 1) {
      range += fmt::format("-{}", end - 1);
    }
    text += fmt::format("{}{}: {:.2g} %", text.empty() ? "" : ", ", range, count / all * 100);
  }
  return text;
}

std::string FormatRecords(const worker::RecordUses& records) {
  if (records.never == 0 && records.repeated == 0) {
    return fmt::format("all {} used exactly once", records.due);
  }
  return fmt::format("of {}: {} never used, {} once, up to {} more than once", records.due,
                     records.never, records.once, records.repeated);
}

nlohmann::ordered_json ReplicaJson(const ReplicaReport& replica) {
  nlohmann::ordered_json seconds;
  for (const StepPhase phase : kPhases) {
    seconds[std::string(NameOf(phase))] = replica.seconds(phase);
  }
  return {{"name", replica.name},         {"batches", replica.num_batches},
          {"pushes", replica.num_pushes}, {"examples", replica.num_examples},
          {"seconds", seconds},           {"parse_cpu_seconds", replica.parse_seconds}};
}

nlohmann::ordered_json ServerJson(const ServerReport& server) {
  auto hottest = nlohmann::ordered_json::array();
  for (const worker::HotRow& row : server.hottest) {
    hottest.push_back({{"table", row.table}, {"id", row.id}, {"pulls", row.num_pulls}});
  }
  return {{"name", server.name},
          {"requests", server.num_requests},
          {"rows_pulled", server.num_rows_pulled},
          {"rows_pushed", server.num_rows_pushed},
          {"received_bytes", server.num_bytes_in},
          {"sent_bytes", server.num_bytes_out},
          {"most_waiting", server.most_waiting},
          {"busy_seconds", server.busy_seconds},
          {"seconds", server.seconds},
          {"hottest", hottest}};
}

nlohmann::ordered_json StalenessJson(const ClusterReport& report) {
  const std::vector<std::int64_t> counts = report.Staleness();
  const auto p50 = worker::QuantileOf(counts, 0.5);
  if (!p50) return nullptr;
  return {
      {"p50", *p50}, {"p99", worker::QuantileOf(counts, 0.99).value_or(*p50)}, {"counts", counts}};
}

}  // namespace

std::string FormatCluster(const ClusterReport& report) {
  if (report.servers.empty()) return "";
  std::string text = FormatReplicas(report) + "\n" + FormatServers(report) + "\n";
  std::vector<TableRow> rows;
  const auto straggler = worker::FindStraggler(report);
  rows.push_back({"straggler", straggler ? FormatStraggler(*straggler) : "none"});
  if (const auto counts = report.Staleness(); !counts.empty() && !report.in_common) {
    rows.push_back({"staleness", FormatStaleness(counts)});
  }
  if (report.records) rows.push_back({"records", FormatRecords(*report.records)});
  return text + FormatTable(rows);
}

std::string FormatClusterJson(const ClusterReport& report) {
  auto replicas = nlohmann::ordered_json::array();
  for (const ReplicaReport& replica : report.replicas) replicas.push_back(ReplicaJson(replica));
  auto servers = nlohmann::ordered_json::array();
  for (const ServerReport& server : report.servers) servers.push_back(ServerJson(server));
  nlohmann::ordered_json straggler;
  if (const auto found = worker::FindStraggler(report)) {
    straggler = {{"name", found->name},
                 {"slower", found->slower},
                 {"phase", NameOf(found->phase)},
                 {"share_of_time", found->share_of_time}};
  }
  nlohmann::ordered_json records;
  if (report.records) {
    records = {{"due", report.records->due},
               {"used_0_times", report.records->never},
               {"used_once", report.records->once},
               {"used_2_or_more_times", report.records->repeated}};
  }
  const nlohmann::ordered_json all = {{"replicas", replicas},
                                      {"servers", servers},
                                      {"straggler", straggler},
                                      {"staleness", StalenessJson(report)},
                                      {"records", records}};
  return all.dump();
}

}  // namespace dime::cli
