// worker/collective/socket_collective.h - replicas that are processes, over dime's own connections:
// one between each two of them.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "runtime/net/credentials.h"
#include "runtime/net/socket.h"
#include "worker/collective/collective.h"

namespace dime::worker {

struct SocketCollectiveOptions {
  int rank = 0;
  // By rank: where each listens, in order of preference. Those of the own rank and of lower ones,
  // which connect here, do not matter; the master need not listen.
  std::vector<std::vector<net::Address>> addresses;
  net::Credentials credentials;
  std::chrono::milliseconds connect_time{60'000};
  std::chrono::milliseconds patience{600'000};  // For a rank that does not come to an exchange.
  std::stop_token stop = {};                    // Ends all waits: the job has ended.
  std::stop_token stop_connecting = {};         // Ends the connecting alone.
};

// Connects each rank to all higher ones, which may come later, and waits for the lower ones at
// `listeners`.
// kDeadlineExceeded and kUnavailable name who does not come, kPermissionDenied who lacks the token;
// kCancelled: it was asked to stop. Strangers that come meanwhile delay nobody.
absl::StatusOr<std::unique_ptr<Collective>> ConnectReplicas(std::span<net::Listener> listeners,
                                                            const SocketCollectiveOptions& options);

}  // namespace dime::worker
