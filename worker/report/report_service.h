// worker/report/report_service.h - the master's end of replica_reporter.h: takes in what the others
// report, and leases them batches.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "runtime/base/status.h"
#include "runtime/cluster/replica.h"
#include "worker/coordination/coordinator.h"
#include "worker/leases/lease_book.h"
#include "worker/report/cluster_watch.h"

namespace dime::worker {

// Of the coordinator's services.
inline constexpr auto kReportService =
    static_cast<std::uint8_t>(CoordinationMessage::kFirstService);

class ReportService final : public CoordinationService {
 public:
  // Both outlive this object. `book` may be null: nothing is leased.
  ReportService(ClusterWatch& watch, LeaseBook* book, int num_replicas, int num_servers)
      : watch_(watch), book_(book), num_replicas_(num_replicas), num_servers_(num_servers) {}

  absl::StatusOr<std::string> OnRequest(const cluster::ReplicaId& from,
                                        std::span<const std::byte> request) override;
  void OnGone(const cluster::ReplicaId& replica) override;

 private:
  absl::StatusOr<std::string> OnWorker(int replica, std::span<const std::byte> request);

  ClusterWatch& watch_;
  LeaseBook* const book_;
  const int num_replicas_;
  const int num_servers_;
};

}  // namespace dime::worker
