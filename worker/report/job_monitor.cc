#include "worker/report/job_monitor.h"

#include <utility>

#include "runtime/base/log.h"
#include "runtime/net/http_page.h"
#include "worker/coordination/coordination_server.h"
#include "worker/report/metrics_text.h"
#include "worker/report/report_wire.h"

namespace dime::worker {
namespace {

constexpr std::chrono::milliseconds kProgressInterval{100};
constexpr std::chrono::seconds kBetweenLogs{10};

std::optional<StalenessRange> StalenessOf(const ClusterReport& report) {
  if (report.in_common) return std::nullopt;
  const std::vector<std::int64_t> counts = report.Staleness();
  const auto median = QuantileOf(counts, 0.5);
  if (!median) return std::nullopt;
  return StalenessRange{.p50 = *median, .p99 = QuantileOf(counts, 0.99).value_or(*median)};
}

}  // namespace

JobMonitor::JobMonitor(const ClusterOptions& cluster, const models::Model& model)
    : watch_({.num_replicas = cluster.num_replicas,
              .num_servers = cluster.num_servers,
              .in_common = cluster.in_common(),
              .tables = TableNames(model.tables())}),
      coordinator_(cluster.coordinator),
      num_replicas_(cluster.num_replicas),
      num_servers_(cluster.num_servers) {}

JobMonitor::~JobMonitor() {
  if (service_ && coordinator_ != nullptr) coordinator_->RemoveService(kReportService);
}

absl::Status JobMonitor::ServeMetrics(const net::Address& address) {
  DIME_ASSIGN_OR_RETURN(
      page_, net::HttpPage::Open(address, {}, [this] { return FormatMetrics(Report()); }));
  base::Log(base::Severity::kInfo, "metrics are at http://{}/metrics", page_->address().ToString());
  return absl::OkStatus();
}

void JobMonitor::Begin(std::int64_t first_step, std::int64_t last_step, const ReplicaMeter& meter,
                       LeaseBook* leases) {
  progress_ = {.step = first_step, .first_step = first_step, .last_step = last_step};
  meter_ = &meter;
  leases_ = leases;
  last_time_ = Clock::now();
  last_log_ = last_time_;
  watch_.OnProgress(first_step, last_step, 0, 0);
  watch_.SetLeases(leases);
  if (coordinator_ == nullptr) return;
  service_.emplace(watch_, leases, num_replicas_, num_servers_);
  coordinator_->AddService(kReportService, &*service_);
}

void JobMonitor::ReportOwn(Clock::time_point now) {
  if (meter_ == nullptr) return;
  watch_.OnReplica(0, MakeReplicaReport(*meter_), now);
  // It cannot have pushed what it did not get.
  if (leases_ != nullptr) leases_->Acknowledge(0, meter_->num_pushes()).IgnoreError();
}

const Progress* JobMonitor::AfterStep(const TrainLoop& loop, Clock::time_point now) {
  if (now < last_time_ + kProgressInterval) return nullptr;
  ReportOwn(now);
  const double seconds = std::chrono::duration<double>(now - last_time_).count();
  progress_.steps_per_second = static_cast<double>(loop.step() - progress_.step) / seconds;
  progress_.step = loop.step();
  progress_.loss = loop.loss();
  last_time_ = now;
  watch_.OnProgress(progress_.step, progress_.last_step, progress_.loss,
                    progress_.steps_per_second);
  const ClusterReport report = watch_.Snapshot(now);
  progress_.examples_per_second = report.ExamplesPerSecond();
  progress_.staleness = StalenessOf(report);
  LogReplicas(report, now);
  return &progress_;
}

void JobMonitor::LogReplicas(const ClusterReport& report, Clock::time_point now) {
  if (report.replicas.size() < 2 || now < last_log_ + kBetweenLogs) return;
  last_log_ = now;
  for (const ReplicaReport& replica : report.replicas) {
    base::Log(base::Severity::kDebug,
              "{}: {} batches, {:.0f} examples/s; seconds of read wait {:.1f}, pull wait {:.1f}, "
              "compute {:.1f}, push wait {:.1f}",
              replica.name, replica.num_batches, replica.examples_per_second,
              replica.seconds(StepPhase::kReadWait), replica.seconds(StepPhase::kPullWait),
              replica.seconds(StepPhase::kCompute), replica.seconds(StepPhase::kPushWait));
  }
}

void JobMonitor::End(std::int64_t step, const std::vector<ps::ServerStatistics>& servers) {
  ReportOwn(Clock::now());
  for (std::size_t s = 0; s < servers.size(); ++s) {
    watch_.OnLastCounts(static_cast<int>(s), servers[s]);
  }
  watch_.OnProgress(step, progress_.last_step, progress_.loss, 0);
}

}  // namespace dime::worker
