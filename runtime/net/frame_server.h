// runtime/net/frame_server.h - one thread that serves many connections, a frame at a time.
//
// It listens, lets peers in that know the token, cuts what they send into frames and hands each to
// a handler, which answers now or later with Send(). Nothing blocks: what a peer does not take
// while it is sent is queued for it, up to a limit. Threads: all in the one that calls Run(), but
// for stopping and Post().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "runtime/net/frame.h"
#include "runtime/net/handshake.h"
#include "runtime/net/socket.h"

namespace dime::net {

using ConnectionId = std::uint64_t;  // Never used again in the life of a server.

// Calls come from Run(). All may call the server's Send(), Close() and Stop().
class FrameHandler {
 public:
  virtual ~FrameHandler() = default;
  virtual void OnConnected(ConnectionId connection, const PeerName& peer) = 0;
  // A whole frame with a right sum, of a type of kFirstFreeType or above. The payload is on a
  // border of 16 bytes, and valid during the call. An error ends the connection.
  virtual absl::Status OnFrame(ConnectionId connection, const FrameHeader& header,
                               std::span<const std::byte> payload) = 0;
  virtual void OnClosed(ConnectionId connection) = 0;  // Of those that OnConnected() has told.
  virtual void OnTick() = 0;                           // About ten times a second.
};

struct FrameServerOptions {
  std::uint32_t max_payload_bytes = 1u << 30;
  std::size_t max_queued_bytes = std::size_t{2}
                                 << 30;  // For one peer; beyond it the connection is ended.
  std::size_t max_strangers = 64;        // Connections whose handshake is not over.
  std::chrono::milliseconds handshake_time{5000};
};

struct Traffic {
  std::uint64_t num_bytes_in = 0;
  std::uint64_t num_bytes_out = 0;
  Clock::duration busy{};  // The time that was not spent waiting.
};

class FrameServer {
 public:
  // Listens on these addresses and on no other.
  static absl::StatusOr<std::unique_ptr<FrameServer>> Open(std::span<const Address> addresses,
                                                           Credentials credentials,
                                                           const FrameServerOptions& options);
  ~FrameServer();

  // Where it listens, with the ports that the system gave.
  [[nodiscard]] std::vector<Address> addresses() const;

  // Serves until Stop() or until `stop` is asked for; then sends what is queued, for a second at
  // most, and closes all connections.
  absl::Status Run(FrameHandler& handler, std::stop_token stop);

  // Sends a frame; header.payload_bytes is filled in. The parts are read before the call returns.
  // A connection that is gone takes nothing.
  void Send(ConnectionId connection, FrameHeader header, std::span<const iovec> payload);
  void Close(ConnectionId connection);
  void Stop();

  // From any thread: has the one that calls Run() do `work` soon, or never when it has returned.
  void Post(std::function<void()> work);

  // What has gone through it so far.
  [[nodiscard]] const Traffic& traffic() const;

 private:
  class Impl;
  explicit FrameServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::net
