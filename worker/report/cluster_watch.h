// worker/report/cluster_watch.h - the newest of what each replica of a job has reported, in the
// master's process.
//
// Threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "ops/table.h"
#include "ps/server_statistics.h"
#include "worker/report/cluster_report.h"
#include "worker/report/report_wire.h"

namespace dime::worker {

class ClusterWatch {
 public:
  using Clock = std::chrono::steady_clock;

  struct Shape {
    int num_replicas = 1;  // The master is the first one.
    int num_servers = 0;
    bool in_common = false;
    std::vector<std::string> tables;  // Their names.
  };
  explicit ClusterWatch(Shape shape);

  void OnReplica(int replica, const ReplicaReportMessage& message, Clock::time_point now);
  // kInvalidArgument for rows of tables that there are not; nothing changes then.
  absl::Status OnServer(int server, const ps::ServerStatistics& statistics);
  // Requests, rows and staleness alone, when training is over: a server's report may be a moment
  // old by then.
  void OnLastCounts(int server, const ps::ServerStatistics& statistics);

  void OnProgress(std::int64_t step, std::int64_t last_step, double loss, double steps_per_second);
  // Whose uses of records are in snapshots; it outlives this object. Null: none.
  void SetLeases(const LeaseBook* leases);

  // How fast replicas that reported in the last second were.
  [[nodiscard]] ClusterReport Snapshot(Clock::time_point now) const;

 private:
  struct Replica {
    ReplicaReport report;
    Clock::time_point time{};       // When what the speed is reckoned from came,
    std::int64_t num_examples = 0;  // and what it said.
  };

  const Shape shape_;
  mutable std::mutex mutex_;
  std::vector<Replica> replicas_;
  std::vector<ServerReport> servers_;
  ClusterReport job_;  // What is the whole job's.
  const LeaseBook* leases_ = nullptr;
};

[[nodiscard]] std::vector<std::string> TableNames(const std::vector<ops::TableSpec>& specs);

}  // namespace dime::worker
