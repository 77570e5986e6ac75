#include "worker/report/report_service.h"

#include "worker/report/report_wire.h"

namespace dime::worker {

absl::StatusOr<std::string> ReportService::OnRequest(const cluster::ReplicaId& from,
                                                     std::span<const std::byte> request) {
  if (from.role == cluster::Role::kWorker && from.index + 1 < num_replicas_) {
    return OnWorker(static_cast<int>(from.index + 1), request);
  }
  if (from.role == cluster::Role::kParameterServer && from.index < num_servers_) {
    DIME_ASSIGN_OR_RETURN(const ps::ServerStatistics statistics, DecodeServerReport(request));
    DIME_RETURN_IF_ERROR(watch_.OnServer(static_cast<int>(from.index), statistics));
    return std::string();
  }
  return base::InvalidArgument("a report of {}, who is not expected to",
                               cluster::FormatReplica(from));
}

absl::StatusOr<std::string> ReportService::OnWorker(int replica,
                                                    std::span<const std::byte> request) {
  DIME_ASSIGN_OR_RETURN(const ReplicaReportMessage message, DecodeReplicaReport(request));
  watch_.OnReplica(replica, message, ClusterWatch::Clock::now());
  if (book_ == nullptr) return std::string();
  DIME_RETURN_IF_ERROR(book_->Acknowledge(replica, static_cast<std::int64_t>(message.num_pushes)));
  if (message.wants_lease == 0) return std::string();
  return EncodeLease(book_->Lease(replica, message.batches_per_second));
}

void ReportService::OnGone(const cluster::ReplicaId& replica) {
  if (book_ == nullptr || replica.role != cluster::Role::kWorker) return;
  if (replica.index + 1 < num_replicas_) book_->GiveBack(static_cast<int>(replica.index + 1));
}

}  // namespace dime::worker
