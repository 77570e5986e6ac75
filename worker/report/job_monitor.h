// worker/report/job_monitor.h - what a job's master knows of how it goes: its own meter, what the
// others report, and who may look at it.
//
// Threads: one, that of training; reports and the page of metrics come from others.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "models/model.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "worker/cluster_options.h"
#include "worker/report/cluster_watch.h"
#include "worker/report/report_service.h"
#include "worker/train_loop.h"
#include "worker/training_job.h"

namespace dime::net {
class HttpPage;
}  // namespace dime::net

namespace dime::worker {

class JobMonitor {
 public:
  using Clock = std::chrono::steady_clock;

  JobMonitor(const ClusterOptions& cluster, const models::Model& model);
  ~JobMonitor();

  // Where Prometheus finds the newest numbers from now on. kUnavailable when that port is taken.
  absl::Status ServeMetrics(const net::Address& address);

  // Training begins. `meter` is the master's own, `leases` what it deals out, or null; both outlive
  // this object.
  void Begin(std::int64_t first_step, std::int64_t last_step, const ReplicaMeter& meter,
             LeaseBook* leases);
  // How training has gone since the last time; null when it is not time yet.
  const Progress* AfterStep(const TrainLoop& loop, Clock::time_point now);
  // Tells the leases, too, what the master has done by now. Before Begin() that is nothing.
  void ReportOwn(Clock::time_point now);
  // All have taken their last step; `servers`: their last numbers.
  void End(std::int64_t step, const std::vector<ps::ServerStatistics>& servers);

  [[nodiscard]] ClusterReport Report() const { return watch_.Snapshot(Clock::now()); }
  [[nodiscard]] ClusterWatch& watch() { return watch_; }

 private:
  void LogReplicas(const ClusterReport& report, Clock::time_point now);

  ClusterWatch watch_;
  std::unique_ptr<net::HttpPage> page_;
  const ReplicaMeter* meter_ = nullptr;
  LeaseBook* leases_ = nullptr;
  CoordinationServer* const coordinator_;
  std::optional<ReportService> service_;
  const int num_replicas_;
  const int num_servers_;
  Progress progress_;
  Clock::time_point last_time_;
  Clock::time_point last_log_;
};

}  // namespace dime::worker
