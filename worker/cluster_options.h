// worker/cluster_options.h - a training replica's place among the others of its job.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>

#include "models/description.h"
#include "ps/shards.h"
#include "runtime/cluster/consistency.h"
#include "runtime/net/credentials.h"
#include "worker/collective/collective.h"
#include "worker/input/replica_batches.h"
#include "worker/train_loop.h"

namespace dime::worker {

class CoordinationServer;

struct ClusterOptions {
  int replica = 0;  // The master is 0, worker i is i + 1.
  int num_replicas = 1;
  int micro_batches = 1;  // Of a step that replicas take in common.
  cluster::Consistency consistency = {.kind = cluster::Consistency::Kind::kSync};
  cluster::DenseRows dense = cluster::DenseRows::kServers;
  bool pull_ahead = false;  // Not in common: rows are on their way while a step is computed.
  cluster::WirePrecision wire_precision = cluster::WirePrecision::kFloat32;
  // kAllReduce: what joins the training replicas; null: they connect to each other.
  std::shared_ptr<Collective> collective = nullptr;
  std::uint32_t incarnation = 0;  // Which start of the replica this process is.
  // Replicas that are lost are started again, and take up the step that they were in.
  bool replicas_return = false;
  std::stop_token stop = {};  // The job has ended: waits for servers end, too.
  int num_servers = 0;        // None: the rows are in this process, which is the only one.
  net::Credentials credentials;
  // The master's, where there are servers; outlives the job.
  CoordinationServer* coordinator = nullptr;

  // Replicas that keep rows of their own are no more than these rows.
  [[nodiscard]] bool CanReturn() const {
    return replicas_return && dense == cluster::DenseRows::kServers;
  }
  // Whether workers have to listen for each other.
  [[nodiscard]] bool HasPeers() const {
    return dense == cluster::DenseRows::kAllReduce && num_replicas > 1 && collective == nullptr;
  }
  [[nodiscard]] bool in_common() const { return consistency.is_sync(); }

  // Batches that make up a round of all replicas: a step in common, or one batch of each.
  [[nodiscard]] int BatchesPerRound() const { return in_common() ? micro_batches : num_replicas; }
  [[nodiscard]] StepPlan Plan() const {
    if (!in_common()) return {.in_common = false, .pull_ahead = pull_ahead};
    return {.micro_batches = micro_batches, .first = replica, .stride = num_replicas};
  }
  [[nodiscard]] ReplicaShare Share() const {
    return {.micro_batches = BatchesPerRound(), .replica = replica, .num_replicas = num_replicas};
  }
  // Which batch comes after `step` steps of all.
  [[nodiscard]] std::int64_t FirstBatch(std::int64_t step) const {
    return in_common() ? step * micro_batches : step;
  }
  // How many of the steps from `first_step` to `last_step` are this replica's to take, in whole or
  // in part.
  [[nodiscard]] std::int64_t OwnSteps(std::int64_t first_step, std::int64_t last_step) const {
    const std::int64_t steps = last_step - first_step;
    return in_common() ? steps : (steps - replica + num_replicas - 1) / num_replicas;
  }
};

// How pushes become updates. The gradients of a step's micro-batches are averaged or summed, as
// those of one large batch would be.
[[nodiscard]] ps::ConsistencyOptions ConsistencyOf(const ClusterOptions& options,
                                                   const models::Estimator& estimator);

}  // namespace dime::worker
