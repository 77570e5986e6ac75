// worker/coordination/wire.h - what the replicas of a job and its master say to each other. WIRE.md
// has the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/cluster/replica.h"
#include "runtime/net/address.h"
#include "runtime/net/handshake.h"
#include "worker/coordination/liveness.h"

namespace dime::worker {

enum class CoordinationMessage : std::uint8_t {
  kJoin = 64,   // JoinRequest. Answered by kAnswer with PeerAddresses once all are in place.
  kAwaitStart,  // Nothing. Answered by kAnswer with a JobStart once the master begins.
  kLeave,       // A status: how it went. Answered by kAnswer.
  kAnswer,      // What the request's type says.
  kRefused,     // A status, which is an error.
  kEnd,         // From the master, unasked: a status. Whoever gets it ends.
  kPing,        // From the master, every second: nothing. Answered by kPong.
  kPong,        // A Pulse.
  kStale,       // From the master, unasked: why another start of this replica has its place.
  // From here on what a service of the master's understands; see CoordinationService.
  kFirstService = 96,
};

inline constexpr std::uint32_t kMaxCoordinationBytes = 1u << 20;  // Of a message.

// What a replica says of itself; its role and index stand in the handshake.
struct JoinRequest {
  std::string job;  // What it was started for: the same for all replicas of a job.
  std::string host_name;
  std::string host;  // net::HostIdentity().
  std::uint64_t pid = 0;
  // Where it listens, in order of preference; none: nowhere.
  std::vector<net::Address> addresses = {};
};

// Where each replica of a role listens, in order of preference.
using RoleAddresses = std::vector<std::vector<net::Address>>;
struct PeerAddresses {
  RoleAddresses servers;
  RoleAddresses workers;  // They listen only where training replicas speak to each other.

  friend bool operator==(const PeerAddresses&, const PeerAddresses&) = default;
};

// What the master decides for all that train.
struct JobStart {
  std::uint64_t seed = 0;
  std::uint64_t first_step = 0;
  std::uint64_t last_step = 0;  // 0: training has no end of its own.
  // How batches are made.
  std::uint64_t order = 0;
  std::uint64_t input_memory = 0;

  friend bool operator==(const JobStart&, const JobStart&) = default;
};

[[nodiscard]] std::string Encode(const JoinRequest& request);
[[nodiscard]] std::string Encode(const PeerAddresses& peers);
[[nodiscard]] std::string Encode(const JobStart& start);
[[nodiscard]] std::string Encode(const Pulse& pulse);
// No bytes for OK.
[[nodiscard]] std::string Encode(const absl::Status& status);

// kDataLoss for what Encode() does not write.
absl::StatusOr<JoinRequest> DecodeJoinRequest(std::span<const std::byte> bytes);
absl::StatusOr<PeerAddresses> DecodePeerAddresses(std::string_view bytes);
absl::StatusOr<JobStart> DecodeJobStart(std::string_view bytes);
absl::StatusOr<Pulse> DecodePulse(std::span<const std::byte> bytes);
absl::Status DecodeStatus(std::string_view bytes);

// A replica as a handshake has it, and back; kDataLoss for what is none.
[[nodiscard]] net::PeerName PeerNameOf(const cluster::ReplicaId& replica,
                                       std::uint32_t incarnation = 0);
absl::StatusOr<cluster::ReplicaId> ReplicaOf(const net::PeerName& peer);

}  // namespace dime::worker
