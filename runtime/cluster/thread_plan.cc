#include "runtime/cluster/thread_plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace dime::cluster {

bool ThreadPlan::IsOversubscribed() const {
  return static_cast<std::int64_t>(threads.size()) > host_cores;
}

std::string ThreadPlan::Note() const {
  if (wanted <= host_cores) return "";
  const bool is_one = threads.size() == 1;
  return fmt::format("{} replica{} of {} cores in all share{} this host's {}{}", threads.size(),
                     is_one ? "" : "s", wanted, is_one ? "s" : "", host_cores,
                     IsOversubscribed()
                         ? ": more replicas than cores, so they take turns and none of them spins"
                         : "");
}

ThreadPlan PlanThreads(const ClusterShape& shape, std::span<const ReplicaId> replicas,
                       std::int64_t host_cores) {
  ThreadPlan plan;
  plan.host_cores = std::max<std::int64_t>(host_cores, 1);
  for (const ReplicaId& replica : replicas) {
    plan.threads.push_back(std::max<std::int64_t>(shape.Of(replica.role).machine.cores, 1));
    plan.wanted += plan.threads.back();
  }
  if (plan.wanted <= plan.host_cores) return plan;
  // One core each, where there are so many; what each wants beyond that gets its share of the rest.
  // Shares are laid side by side and cut at whole cores, so that every core is dealt out once.
  const auto num_replicas = static_cast<std::int64_t>(replicas.size());
  const std::int64_t rest = std::max<std::int64_t>(plan.host_cores - num_replicas, 0);
  const auto cut = [&](std::int64_t more) { return more * rest / (plan.wanted - num_replicas); };
  std::int64_t more_before = 0;
  for (std::int64_t& threads : plan.threads) {
    const std::int64_t more = more_before + threads - 1;
    threads = rest == 0 ? 1 : 1 + cut(more) - cut(more_before);
    more_before = more;
  }
  return plan;
}

}  // namespace dime::cluster
