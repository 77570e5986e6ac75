// runtime/cluster/cluster_spec.h - where the replicas of a job listen.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/cluster/replica.h"
#include "runtime/net/address.h"

namespace dime::cluster {

// "host:port", "[::1]:port", with a port; kInvalidArgument says what is wrong with another text.
absl::StatusOr<net::Address> ParseReplicaAddress(std::string_view text);

// Addresses, each as "host:port". An evaluator listens nowhere and is no part of it.
struct ClusterSpec {
  std::string master;  // "" in the spec of a job that is one process.
  std::vector<std::string> workers;
  std::vector<std::string> parameter_servers;

  // None for an evaluator.
  [[nodiscard]] std::span<const std::string> AddressesOf(Role role) const;
  // "" for a replica that is not in it.
  [[nodiscard]] std::string_view AddressOf(const ReplicaId& replica) const;
  [[nodiscard]] RoleCounts Counts() const;
  [[nodiscard]] bool empty() const {
    return master.empty() && workers.empty() && parameter_servers.empty();
  }

  bool operator==(const ClusterSpec&) const = default;
};

// A spec that is not empty has a master, at most kMaxReplicas addresses, and none twice.
// kInvalidArgument: "worker-3: what is wrong".
absl::Status CheckClusterSpec(const ClusterSpec& spec);

// `dime local train --distributed`: --start-port, --worker-count and --parameter-server-count when
// they are not given, as gcloud has them.
inline constexpr std::int64_t kLocalStartPort = 27182;
inline constexpr std::int64_t kLocalWorkers = 2;
inline constexpr std::int64_t kLocalParameterServers = 2;

// All replicas on localhost: the master on `start_port`, then the servers, then the workers, one
// port each. kInvalidArgument when the ports do not suffice.
absl::StatusOr<ClusterSpec> LocalClusterSpec(const RoleCounts& counts, std::int64_t start_port);

}  // namespace dime::cluster
