// runtime/net/greeting.h - the server's part of a handshake with one peer, a step at a time, for a
// thread that welcomes several of them at once.
//
// Threads: one at a time. Nothing blocks.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/net/credentials.h"
#include "runtime/net/handshake.h"
#include "runtime/net/socket.h"

namespace dime::net {

class Greeting {
 public:
  // A connection that was just accepted. `credentials` outlive this object.
  Greeting(Socket socket, const Credentials& credentials);

  [[nodiscard]] int fd() const { return socket_.fd(); }
  // What poll() is to wait for before the next Advance().
  [[nodiscard]] short events() const;

  // Goes on as far as that is possible now. True: the handshake is over, that of TLS included.
  // Errors: those of DecodeFrameHeader(), HandshakeServer and Socket; the connection is of no use.
  absl::StatusOr<bool> Advance();

  // Once it is over: who has come, and the connection.
  [[nodiscard]] const PeerName& peer() const { return *handshake_.peer(); }
  [[nodiscard]] Socket TakeSocket() { return std::move(socket_); }

 private:
  // Each returns whether all of what is due has been moved.
  absl::StatusOr<bool> Flush();
  absl::StatusOr<bool> ReceiveFrame();
  absl::Status Answer();

  Socket socket_;
  HandshakeServer handshake_;
  std::vector<std::byte> input_;  // No longer than the frame, or its header, that is due.
  std::size_t num_received_ = 0;
  std::optional<FrameHeader> header_;  // Of the frame in `input_`, once it is there.
  std::vector<std::byte> output_;
  std::size_t num_sent_ = 0;
};

}  // namespace dime::net
