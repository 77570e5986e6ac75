// worker/coordination/coordinator.h - where the replicas of a job meet: who is there, where the
// parameter servers listen, when training starts, and how it ended.
//
// It lives in the master's process. Frames in, frames out: it knows connections as numbers only,
// and can be driven without a network. Threads: one at a time (coordination_server.h gives it one).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/cluster/replica.h"
#include "runtime/net/frame_server.h"
#include "runtime/net/socket.h"
#include "worker/coordination/liveness.h"
#include "worker/coordination/wire.h"

namespace dime::worker {

// Adds requests of its own to the protocol: data leases, reports. Called on the coordinator's
// thread, which others wait for: quickly.
class CoordinationService {
 public:
  virtual ~CoordinationService() = default;
  // What to answer; an error is the answer, too.
  virtual absl::StatusOr<std::string> OnRequest(const cluster::ReplicaId& from,
                                                std::span<const std::byte> request) = 0;
  // A replica that was in place has left, or is lost.
  virtual void OnGone(const cluster::ReplicaId& /*replica*/) {}
};

// A replica that is there and does not move.
struct HungReplica {
  cluster::ReplicaId replica;
  std::string why;  // "worker-1 (process 12 on host-a) hangs: it has been silent for 5.0 s".
};

struct CoordinatorOptions {
  cluster::RoleCounts counts;
  std::string job;   // What all replicas were started for; see JoinRequest.
  std::string host;  // net::HostIdentity() of the master.
  std::chrono::milliseconds join_time{120'000};
  // How long a worker that is lost is awaited, whom somebody starts again; 0: nobody does.
  std::chrono::milliseconds return_time{0};
  std::function<net::Clock::time_point()> now = net::Clock::now;
};

class Coordinator final : public net::FrameHandler {
 public:
  using Send =
      std::function<void(net::ConnectionId, const net::FrameHeader&, std::span<const iovec>)>;

  Coordinator(CoordinatorOptions options, Send send);

  // Requests of `type`, from kFirstService on, are for `service` until it is removed.
  void AddService(std::uint8_t type, CoordinationService* service);
  void RemoveService(std::uint8_t type);

  void OnConnected(net::ConnectionId connection, const net::PeerName& peer) override;
  absl::Status OnFrame(net::ConnectionId connection, const net::FrameHeader& header,
                       std::span<const std::byte> payload) override;
  void OnClosed(net::ConnectionId connection) override;
  void OnTick() override;

  // All replicas but the master are in place.
  [[nodiscard]] bool IsComplete() const;
  // For a replica on `host`. Only once all are in place.
  [[nodiscard]] PeerAddresses PeersFor(std::string_view host) const;

  // Training begins.
  void Start(const JobStart& start);
  // All replicas are told to end, and how the job ended. Only the first call counts.
  void End(const absl::Status& status);
  // The same when the job cannot go on, which others but this object have found out.
  void Fail(const absl::Status& failure);

  // Those that were found since the last call: whoever has started them is to end them.
  std::vector<HungReplica> TakeHung() { return std::exchange(hung_, {}); }

  [[nodiscard]] bool has_ended() const { return end_.has_value(); }
  // Why the job cannot go on: a replica that does not come, failed or is lost. OK else.
  [[nodiscard]] const absl::Status& failure() const { return failure_; }
  // How many replicas are connected, of those that joined.
  [[nodiscard]] std::size_t NumConnected() const;

 private:
  struct Member {
    net::ConnectionId connection = 0;
    std::uint32_t incarnation = 0;
    std::uint64_t join_request = 0;  // Which is answered once all are in place.
    JoinRequest join;
    PeerLife life = {};
    bool is_answered = false;
    bool has_left = false;
    bool is_connected = true;
    std::string lost_because = {};          // Not empty: it is lost,
    net::Clock::time_point lost_time = {};  // since then.

    [[nodiscard]] bool is_lost() const { return !lost_because.empty(); }
  };

  absl::Status OnJoin(const cluster::ReplicaId& replica, net::ConnectionId connection,
                      std::uint64_t request_id, std::span<const std::byte> payload);
  [[nodiscard]] absl::Status CheckJoin(const cluster::ReplicaId& replica, std::uint32_t incarnation,
                                       const JoinRequest& request) const;
  void Replace(const cluster::ReplicaId& replica, std::uint32_t incarnation);
  void AnswerJoins();
  void NoteRefusal(const cluster::ReplicaId& replica, const JoinRequest& request,
                   const absl::Status& why);
  void OnLeave(const cluster::ReplicaId& replica, const absl::Status& how);
  // Heartbeats.
  void PingAll(net::Clock::time_point now);
  void CheckLives(net::Clock::duration awake);
  [[nodiscard]] bool MayReturn(const cluster::ReplicaId& replica) const;
  void OnLost(const cluster::ReplicaId& replica, const std::string& why);
  [[nodiscard]] absl::Status CheckReturns(net::Clock::time_point now) const;
  // Whether another start of the replica that speaks has taken its place, or it counts as lost.
  [[nodiscard]] bool IsStale(net::ConnectionId connection) const;
  void SendStale(net::ConnectionId connection, const cluster::ReplicaId& replica);
  void OnService(CoordinationService& service, const cluster::ReplicaId& replica,
                 net::ConnectionId connection, std::uint64_t request_id,
                 std::span<const std::byte> payload);
  void TellServiceOfGone(const cluster::ReplicaId& replica);
  [[nodiscard]] bool IsMissing(const cluster::ReplicaId& replica) const;
  [[nodiscard]] std::vector<std::string> Missing() const;
  // The replica that speaks over a connection; null before it has joined.
  [[nodiscard]] const cluster::ReplicaId* MemberAt(net::ConnectionId connection) const;
  // "worker-1 (process 12 on host-a)".
  [[nodiscard]] std::string Describe(const cluster::ReplicaId& replica) const;

  void Answer(net::ConnectionId connection, std::uint64_t request_id, std::string_view bytes);
  void Refuse(net::ConnectionId connection, std::uint64_t request_id, const absl::Status& status);
  void SendBytes(net::ConnectionId connection, CoordinationMessage type, std::uint64_t request_id,
                 std::string_view bytes);

  const CoordinatorOptions options_;
  const Send send_;
  const net::Clock::time_point join_deadline_;
  AwakeClock awake_;
  net::Clock::time_point next_ping_;
  bool was_complete_ = false;
  std::map<std::uint8_t, CoordinationService*> services_;
  std::map<net::ConnectionId, net::PeerName> peers_;
  std::map<cluster::ReplicaId, Member> members_;
  std::set<net::ConnectionId> refused_;
  std::vector<HungReplica> hung_;
  std::vector<std::string> refusals_;  // Of joins, for the message that says who is missing.
  // Of replicas without which the job cannot begin: why and when, at first.
  std::map<cluster::ReplicaId, std::pair<std::string, net::Clock::time_point>> missed_refusals_;
  std::vector<std::pair<net::ConnectionId, std::uint64_t>> awaiting_start_;  // And their requests.
  std::optional<JobStart> start_;
  std::optional<absl::Status> end_;
  absl::Status failure_;
  // A replica that lost a peer has ended; which peer that was may become known in a moment.
  absl::Status consequence_;
  net::Clock::time_point consequence_time_;
};

}  // namespace dime::worker
