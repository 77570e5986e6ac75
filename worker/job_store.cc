#include "worker/job_store.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "worker/coordination/coordination_server.h"

namespace dime::worker {
namespace {

constexpr std::chrono::seconds kPatience{600};
constexpr std::chrono::milliseconds kFirstPause{1};
constexpr std::chrono::milliseconds kLongestPause{50};

}  // namespace

absl::StatusOr<std::unique_ptr<JobStore>> JobStore::Open(const models::Model& model,
                                                         const ClusterOptions& cluster,
                                                         const JobStart& job,
                                                         const std::stop_token& stop) {
  auto result = std::make_unique<JobStore>();
  result->job_ = job;
  if (cluster.num_servers == 0) {
    DIME_ASSIGN_OR_RETURN(
        result->in_process_,
        InProcessStore::Create(model.tables(), job.seed,
                               ConsistencyOf(cluster, model.description().estimator)));
    return result;
  }
  result->coordinator_ = cluster.coordinator;
  DIME_ASSIGN_OR_RETURN(const PeerAddresses peers, cluster.coordinator->AwaitPeers(stop));
  DIME_ASSIGN_OR_RETURN(result->in_cluster_,
                        ClusterStore::Connect(model, cluster, peers, {}, job.seed, stop));
  result->cluster_checkpointer_ = result->in_cluster_->NewCheckpointer(peers);
  DIME_RETURN_IF_ERROR(result->in_cluster_->servers().Prepare({.seed = job.seed}));
  return result;
}

ParameterStore& JobStore::store() {
  if (in_process_ != nullptr) return *in_process_;
  return in_cluster_->store();
}

absl::Status JobStore::Start(std::int64_t first_step, std::int64_t last_step) {
  if (in_process_ != nullptr) {
    in_process_->set_version(first_step);
    return absl::OkStatus();
  }
  job_.first_step = static_cast<std::uint64_t>(first_step);
  job_.last_step = static_cast<std::uint64_t>(last_step);
  DIME_RETURN_IF_ERROR(in_cluster_->servers().Start({.first_step = job_.first_step}));
  coordinator_->Start(job_);
  return in_cluster_->Start(first_step);
}

absl::StatusOr<std::int64_t> JobStore::Await(std::int64_t step, const std::stop_token& stop) {
  if (in_process_ != nullptr) return step;
  std::int64_t version = -1;
  auto pause = kFirstPause;
  auto deadline = net::Clock::now() + kPatience;
  while (true) {
    DIME_ASSIGN_OR_RETURN(const auto statistics, in_cluster_->servers().ReadStatistics());
    const std::int64_t now =
        std::ranges::min_element(statistics, {}, &ps::ServerStatistics::version)->version;
    if (now >= step) return now;
    if (now > version) {
      deadline = net::Clock::now() + kPatience;
      pause = kFirstPause;
    }
    version = now;
    if (stop.stop_requested()) return base::Cancelled("stopped while waiting for step {}", step);
    if (net::Clock::now() >= deadline) {
      return base::DeadlineExceeded(
          "the servers have been at step {} of {} for {} s: the other replicas push no more",
          version, step, kPatience.count());
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

absl::Status JobStore::Leave() {
  return in_process_ != nullptr ? absl::OkStatus() : in_cluster_->servers().Leave();
}

absl::StatusOr<std::vector<ps::ServerStatistics>> JobStore::ReadStatistics() {
  if (in_process_ != nullptr) return std::vector<ps::ServerStatistics>();
  return in_cluster_->servers().ReadStatistics();
}

void JobStore::Stop() {
  if (coordinator_ != nullptr) coordinator_->End(absl::OkStatus());
}

}  // namespace dime::worker
