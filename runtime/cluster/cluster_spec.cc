#include "runtime/cluster/cluster_spec.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <system_error>

#include "runtime/base/text.h"

namespace dime::cluster {
namespace {

constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035.

bool IsHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}
bool IsIpv6Character(char c) {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.';
}

absl::Status NoAddress(std::string_view text, std::string_view why) {
  return base::InvalidArgument("{} is no address such as host:2222: {}", base::Quoted(text), why);
}

}  // namespace

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return NoAddress(text, "it has no port");
  std::string_view host = text.substr(0, colon);
  const bool is_bracketed = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  const bool is_host = !host.empty() && host.size() <= kMaxHostBytes &&
                       std::ranges::all_of(host, is_bracketed ? IsIpv6Character : IsHostCharacter);
  if (!is_host) {
    return NoAddress(text, "the host is to be a name, an IPv4 address or an IPv6 address in []");
  }
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0) {
    return NoAddress(text, "the port is no whole number from 1 to 65535");
  }
  return Address{std::string(host), port};
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
      const absl::Status parsed = ParseAddress(address).status();
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
