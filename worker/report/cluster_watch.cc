#include "worker/report/cluster_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace dime::worker {
namespace {

// Reports come four times a second; who is silent for longer is at something else.
constexpr std::chrono::milliseconds kNewsLast{1000};
// Two reports that lie close together say little about speed.
constexpr std::chrono::milliseconds kLeastBetween{50};

}  // namespace

ClusterWatch::ClusterWatch(Shape shape)
    : shape_(std::move(shape)),
      replicas_(static_cast<std::size_t>(shape_.num_replicas)),
      servers_(static_cast<std::size_t>(shape_.num_servers)) {
  for (std::size_t r = 0; r < replicas_.size(); ++r) {
    replicas_[r].report.name = r == 0 ? "master-0" : fmt::format("worker-{}", r - 1);
  }
  for (std::size_t s = 0; s < servers_.size(); ++s) servers_[s].name = fmt::format("ps-{}", s);
}

void ClusterWatch::OnReplica(int replica, const ReplicaReportMessage& message,
                             Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  Replica& state = replicas_[static_cast<std::size_t>(replica)];
  ReplicaReport& report = state.report;
  const auto num_examples = static_cast<std::int64_t>(message.num_examples);
  if (now >= state.time + kLeastBetween) {
    const double seconds = std::chrono::duration<double>(now - state.time).count();
    const bool is_first = state.time == Clock::time_point{};
    // One that was started again counts from 0.
    const std::int64_t news = std::max<std::int64_t>(num_examples - state.num_examples, 0);
    report.examples_per_second = is_first ? 0 : static_cast<double>(news) / seconds;
    state.time = now;
    state.num_examples = num_examples;
  }
  report.num_batches = static_cast<std::int64_t>(message.num_batches);
  report.num_pushes = static_cast<std::int64_t>(message.num_pushes);
  report.num_examples = num_examples;
  report.parse_seconds = message.parse_seconds;
  report.phase_seconds = message.phase_seconds;
}

absl::Status ClusterWatch::OnServer(int server, const ps::ServerStatistics& statistics) {
  ServerReport report{.name = fmt::format("ps-{}", server),
                      .num_requests = statistics.num_requests,
                      .num_rows_pulled = statistics.num_rows_pulled,
                      .num_rows_pushed = statistics.num_rows_pushed,
                      .num_bytes_in = statistics.num_bytes_in,
                      .num_bytes_out = statistics.num_bytes_out,
                      .num_waiting = statistics.num_waiting,
                      .most_waiting = statistics.most_waiting,
                      .busy_seconds = statistics.busy_seconds,
                      .seconds = statistics.seconds,
                      .hottest = {},
                      .staleness = statistics.staleness};
  for (const ps::HotRow& row : statistics.hottest) {
    if (row.table >= shape_.tables.size()) {
      return base::InvalidArgument("ps-{} reports of table {} of {}", server, row.table,
                                   shape_.tables.size());
    }
    report.hottest.push_back({shape_.tables[row.table], row.id, row.num_pulls});
  }
  const std::lock_guard lock(mutex_);
  ServerReport& newest = servers_[static_cast<std::size_t>(server)];
  if (report.num_requests >= newest.num_requests) newest = std::move(report);
  return absl::OkStatus();
}

void ClusterWatch::OnLastCounts(int server, const ps::ServerStatistics& statistics) {
  const std::lock_guard lock(mutex_);
  ServerReport& newest = servers_[static_cast<std::size_t>(server)];
  newest.num_requests = statistics.num_requests;
  newest.num_rows_pulled = statistics.num_rows_pulled;
  newest.num_rows_pushed = statistics.num_rows_pushed;
  newest.staleness = statistics.staleness;
}

void ClusterWatch::OnProgress(std::int64_t step, std::int64_t last_step, double loss,
                              double steps_per_second) {
  const std::lock_guard lock(mutex_);
  job_.step = step;
  job_.last_step = last_step;
  job_.loss = loss;
  job_.steps_per_second = steps_per_second;
}

void ClusterWatch::SetLeases(const LeaseBook* leases) {
  const std::lock_guard lock(mutex_);
  leases_ = leases;
}

ClusterReport ClusterWatch::Snapshot(Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  ClusterReport report = job_;
  report.servers = servers_;
  report.in_common = shape_.in_common;
  if (leases_ != nullptr) report.records = leases_->Uses();
  for (const Replica& replica : replicas_) {
    report.replicas.push_back(replica.report);
    if (now > replica.time + kNewsLast) report.replicas.back().examples_per_second = 0;
  }
  return report;
}

std::vector<std::string> TableNames(const std::vector<ops::TableSpec>& specs) {
  std::vector<std::string> names;
  for (const ops::TableSpec& spec : specs) names.push_back(spec.name);
  return names;
}

}  // namespace dime::worker
