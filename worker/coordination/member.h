// worker/coordination/member.h - a replica's connection to its master: it joins, learns where the
// others are and when to start, asks and reports, and notices when the job ends or the master goes.
//
// Threads: any may call; one of its own listens. Every wait has an end: its own, or the job's,
// which is kCancelled.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/cluster/replica.h"
#include "runtime/net/address.h"
#include "runtime/net/credentials.h"
#include "worker/coordination/liveness.h"
#include "worker/coordination/wire.h"

namespace dime::worker {

// Where the master may be reached, and what it has to be told first.
struct MasterLocation {
  std::vector<net::Address> addresses = {};  // In order of preference.
  base::Secret token = {};
  // What is known may be of a run before this one: who is refused with this token looks again.
  bool may_be_old = false;
};

// How a job ended.
struct JobEnd {
  absl::Status how;
  bool master_is_gone = false;  // Without a word, so that nobody else says it.
  bool is_stale = false;        // It goes on: without this process, whose place another one has.
};

struct MemberOptions {
  cluster::ReplicaId self;
  std::uint32_t incarnation = 0;  // Which start of the replica this process is.
  // Called again and again; kNotFound and kUnavailable: not yet.
  std::function<absl::StatusOr<MasterLocation>()> locate;
  std::chrono::milliseconds patience{120'000};
  net::TransportSecurity security = net::TransportSecurity::kAuto;
};

class Member {
 public:
  // Looks for the master until it is there. kUnavailable when it does not come; kPermissionDenied
  // when it does not know the token.
  static absl::StatusOr<std::unique_ptr<Member>> Connect(const MemberOptions& options);
  ~Member();

  // The number of the address by which this host is reached from the master's; "" when both are
  // the same host and speak over a Unix socket.
  [[nodiscard]] const std::string& local_host() const;

  // Says that this replica is in place. The answer is AwaitPeers()'s, which waits for all others
  // to be in place, too.
  absl::Status Join(const JoinRequest& request);
  absl::StatusOr<PeerAddresses> AwaitPeers();
  // Waits for the master to begin.
  absl::StatusOr<JobStart> AwaitStart(std::chrono::milliseconds patience);
  // Asks a CoordinationService of the master's.
  absl::StatusOr<std::string> Ask(std::uint8_t type, std::string_view request,
                                  std::chrono::milliseconds patience = std::chrono::seconds(10));
  // This replica's part is over, and how it went. An error becomes the job's.
  absl::Status Leave(const absl::Status& how);

  // Where the main thread says what it is at, for the master to know that it moves.
  [[nodiscard]] Activity& activity();

  // Stopped when the job has ended, or the master is gone or silent.
  [[nodiscard]] std::stop_token ended() const;
  // How, once that is so; waits for it for `patience` at most.
  [[nodiscard]] std::optional<JobEnd> AwaitEnd(std::chrono::milliseconds patience) const;

 private:
  class Impl;
  explicit Member(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::worker
