// runtime/cluster/thread_plan.h - how many threads each replica on a host takes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/cluster/cluster_shape.h"
#include "runtime/cluster/replica.h"

namespace dime::cluster {

struct ThreadPlan {
  std::vector<std::int64_t> threads;  // Of each replica, in the order in which they were given.
  std::int64_t wanted = 0;            // The cores of their machine types together.
  std::int64_t host_cores = 0;

  // There are more replicas than cores, so that those that wait had better sleep than spin.
  [[nodiscard]] bool IsOversubscribed() const;
  // A sentence for the log when replicas get less than their machine types promise; "" otherwise.
  [[nodiscard]] std::string Note() const;
};

// Each of `replicas`, which are those of `shape` that run on one host with `host_cores` cores, gets
// as many threads as its machine type has cores. Where the host has fewer than that together, it is
// shared in proportion, and every replica has at least one.
[[nodiscard]] ThreadPlan PlanThreads(const ClusterShape& shape, std::span<const ReplicaId> replicas,
                                     std::int64_t host_cores);

}  // namespace dime::cluster
