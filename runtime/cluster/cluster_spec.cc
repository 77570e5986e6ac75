#include "runtime/cluster/cluster_spec.h"

#include <algorithm>
#include <map>

#include "runtime/base/text.h"

namespace dime::cluster {

absl::StatusOr<net::Address> ParseReplicaAddress(std::string_view text) {
  DIME_ASSIGN_OR_RETURN(net::Address address, net::ParseAddress(text));
  if (address.kind == net::Address::Kind::kTcp && address.port != 0) return address;
  return base::InvalidArgument("{} is no address of a replica; write HOST:PORT, port 1 to 65535",
                               base::Quoted(text));
}

std::span<const std::string> ClusterSpec::AddressesOf(Role role) const {
  switch (role) {
    case Role::kMaster:
      return {&master, master.empty() ? std::size_t{0} : std::size_t{1}};
    case Role::kWorker:
      return workers;
    case Role::kParameterServer:
      return parameter_servers;
    case Role::kEvaluator:
      break;
  }
  return {};
}

std::string_view ClusterSpec::AddressOf(const ReplicaId& replica) const {
  const std::span<const std::string> addresses = AddressesOf(replica.role);
  const auto index = static_cast<std::size_t>(replica.index);
  return replica.index >= 0 && index < addresses.size() ? addresses[index] : std::string_view();
}

RoleCounts ClusterSpec::Counts() const {
  return {.masters = static_cast<std::int64_t>(AddressesOf(Role::kMaster).size()),
          .workers = static_cast<std::int64_t>(workers.size()),
          .parameter_servers = static_cast<std::int64_t>(parameter_servers.size()),
          .evaluators = 0};
}

absl::Status CheckClusterSpec(const ClusterSpec& spec) {
  if (spec.empty()) return absl::OkStatus();
  if (spec.master.empty()) {
    return base::InvalidArgument("the cluster has no master; exactly one is needed");
  }
  if (const std::int64_t total = spec.Counts().Total(); total > kMaxReplicas) {
    return base::InvalidArgument("the cluster has {} replicas; at most {} are allowed", total,
                                 kMaxReplicas);
  }
  std::map<std::string_view, ReplicaId> seen;
  for (const Role role : kRoles) {
    std::int64_t index = 0;
    for (const std::string& address : spec.AddressesOf(role)) {
      const ReplicaId replica = {role, index++};
      const absl::Status parsed = ParseReplicaAddress(address).status();
      if (!parsed.ok()) return base::Annotate(parsed, FormatReplica(replica));
      const auto [first, is_new] = seen.emplace(address, replica);
      if (!is_new) {
        return base::InvalidArgument("{}: {} is the address of {} already", FormatReplica(replica),
                                     base::Quoted(address), FormatReplica(first->second));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ClusterSpec> LocalClusterSpec(const RoleCounts& counts, std::int64_t start_port) {
  constexpr std::int64_t kLastPort = 65'535;
  const std::int64_t num_ports = 1 + counts.parameter_servers + counts.workers;
  if (start_port < 1 || start_port > kLastPort || num_ports > kLastPort - start_port + 1) {
    return base::InvalidArgument("{} need {} ports from {} on, and the last port there is is {}",
                                 FormatCounts(counts), num_ports, start_port, kLastPort);
  }
  std::int64_t port = start_port;
  const auto next = [&port] { return fmt::format("localhost:{}", port++); };
  ClusterSpec spec;
  spec.master = next();
  for (std::int64_t i = 0; i < counts.parameter_servers; ++i) {
    spec.parameter_servers.push_back(next());
  }
  for (std::int64_t i = 0; i < counts.workers; ++i) spec.workers.push_back(next());
  return spec;
}

}  // namespace dime::cluster
