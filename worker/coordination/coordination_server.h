// worker/coordination/coordination_server.h - the coordinator with a network and a thread of its
// own, as the master holds it.
//
// Threads: any may call.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "runtime/net/credentials.h"
#include "worker/coordination/coordinator.h"
#include "worker/coordination/wire.h"

namespace dime::worker {

class CoordinationServer {
 public:
  // Listens on these addresses and on no other, for replicas that know the token.
  static absl::StatusOr<std::unique_ptr<CoordinationServer>> Open(
      std::span<const net::Address> addresses, const net::Credentials& credentials,
      CoordinatorOptions options);
  // Who is still there is told that the master has ended.
  ~CoordinationServer();

  // Where it listens, with the ports that the system gave.
  [[nodiscard]] std::vector<net::Address> addresses() const;

  // See Coordinator.
  void AddService(std::uint8_t type, CoordinationService* service);
  void RemoveService(std::uint8_t type);  // It is not called any more when this returns.

  // Returns once all replicas are in place: where they listen, for this process.
  // kDeadlineExceeded names those that are not; or how the job has failed meanwhile. kCancelled
  // when asked to stop.
  absl::StatusOr<PeerAddresses> AwaitPeers(const std::stop_token& stop);
  // Training begins.
  void Start(const JobStart& start);
  // The job has ended, and how; waits for all replicas to hang up, for some seconds at most.
  void End(const absl::Status& status);
  // The job cannot go on: others are told to end, and AwaitFailure() says why.
  void Fail(const absl::Status& failure);

  std::vector<HungReplica> TakeHung();

  // Stopped when the job has ended: waits for others have an end then.
  [[nodiscard]] std::stop_token ended() const;

  // Once the master has failed: why the job cannot go on, if that is known or becomes so within a
  // second. OK: it is not the others' doing.
  absl::Status AwaitFailure();

 private:
  class Impl;
  explicit CoordinationServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::worker
