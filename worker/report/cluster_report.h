// worker/report/cluster_report.h - what a job's replicas have done and where their time went: what
// is shown at the end, in events and on the page of metrics.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/leases/lease_book.h"
#include "worker/report/replica_meter.h"

namespace dime::worker {

// "read_wait", "push_wait", "pull_wait", "compute".
[[nodiscard]] std::string_view NameOf(StepPhase phase);

// Of a master or a worker.
struct ReplicaReport {
  std::string name;              // "worker-1"
  std::int64_t num_batches = 0;  // Of which gradients were computed.
  std::int64_t num_pushes = 0;   // That were acknowledged.
  std::int64_t num_examples = 0;
  std::array<double, kNumStepPhases> phase_seconds{};  // Of its training thread.
  double parse_seconds = 0;        // CPU time of the threads that read and make batches.
  double examples_per_second = 0;  // Over the last moments.

  [[nodiscard]] double seconds(StepPhase phase) const {
    return phase_seconds[static_cast<std::size_t>(phase)];
  }
  [[nodiscard]] double TotalSeconds() const;
};

struct HotRow {
  std::string table;
  std::int64_t id = 0;
  std::int64_t num_pulls = 0;  // About; from a sample.
};

struct ServerReport {
  std::string name;  // "ps-0"
  std::int64_t num_requests = 0;
  std::int64_t num_rows_pulled = 0;  // Of sparse tables, as those pushed.
  std::int64_t num_rows_pushed = 0;
  std::int64_t num_bytes_in = 0;
  std::int64_t num_bytes_out = 0;
  std::int64_t num_waiting = 0;  // Pulls that wait for pushes of others: now, and most at once.
  std::int64_t most_waiting = 0;
  double busy_seconds = 0;
  double seconds = 0;  // Since it began.
  std::vector<HotRow> hottest{};
  std::vector<std::int64_t> staleness{};  // By updates between pull and push; the last: and beyond.
};

// A replica that is well behind the others, and what it does with its time.
struct Straggler {
  std::string name;
  double slower = 0;  // 0.31: takes 31 % more time a batch than the median.
  StepPhase phase{};  // The one that costs it most beyond what it costs others.
  double share_of_time = 0;
};

struct ClusterReport {
  std::int64_t step = 0;                // How many updates the rows hold.
  std::int64_t last_step = 0;           // 0: training has no end of its own.
  double loss = 0;                      // Of the master's newest step.
  double steps_per_second = 0;          // Over the last moments.
  std::vector<ReplicaReport> replicas;  // The master first.
  std::vector<ServerReport> servers;
  std::optional<RecordUses> records;  // Where batches are leased.
  bool in_common = false;             // In sync replicas wait for each other.

  // Of all servers.
  [[nodiscard]] std::vector<std::int64_t> Staleness() const;
  [[nodiscard]] double ExamplesPerSecond() const;
};

// The least s such that a share of `quantile` of the counts lies at or below it; none without
// counts.
[[nodiscard]] std::optional<std::int64_t> QuantileOf(std::span<const std::int64_t> counts,
                                                     double quantile);

// The slowest replica, if it takes a tenth more time than the median. Where steps are taken in
// common, waiting for rows is waiting for others and does not count.
[[nodiscard]] std::optional<Straggler> FindStraggler(const ClusterReport& report);
// "worker-2: 31 % slower than the median, 80 % of its time in pull wait"
[[nodiscard]] std::string FormatStraggler(const Straggler& straggler);

}  // namespace dime::worker
