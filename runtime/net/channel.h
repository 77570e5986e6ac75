// runtime/net/channel.h - whole frames over one connection, for a thread that waits for answers.
//
// Threads: one at a time. Every wait has a deadline. After an error the connection is of no more
// use. Errors: those of Socket, kDataLoss and kResourceExhausted of frame.h; all name the peer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/net/frame.h"
#include "runtime/net/socket.h"

namespace dime::net {

inline constexpr std::uint32_t kMaxPayloadBytes = 1u << 30;

class Channel {
 public:
  // `peer`: how messages name the other end, "ps-1 at 10.0.0.7:2222". TLS, where it has begun, is
  // over with its handshake.
  Channel(Socket socket, std::string peer, std::uint32_t max_payload_bytes = kMaxPayloadBytes)
      : socket_(std::move(socket)),
        is_trusted_(socket_.has_tls() || socket_.IsWithinHost()),
        peer_(std::move(peer)),
        max_payload_bytes_(max_payload_bytes) {}

  [[nodiscard]] const std::string& peer() const { return peer_; }
  [[nodiscard]] const Socket& socket() const { return socket_; }

  // Goes over to TLS, which both ends do after the same frame.
  absl::Status StartTls(TlsStream::End end, const base::Mac& key, Deadline deadline);

  // A second end of the same connection, so that one thread sends and another receives.
  absl::StatusOr<Channel> Twin() const;

  // From any thread: who waits in another call is told that the connection is closed.
  void Shutdown() const { socket_.Shutdown(); }

  // Sends a frame whose payload is the parts, one after another, from where they lie.
  absl::Status Send(FrameHeader header, std::span<const iovec> payload, Deadline deadline);

  // Returns when a frame may have begun to come; kDeadlineExceeded, and nothing is lost.
  absl::Status AwaitReadable(Deadline deadline) const {
    if (socket_.HasBufferedInput()) return absl::OkStatus();
    return Annotated(socket_.AwaitReadable(deadline));
  }

  // The next frame's header. Its payload has to be received before the one after it.
  absl::StatusOr<FrameHeader> ReceiveHeader(Deadline deadline);
  // Its payload, into parts whose sizes add up to header.payload_bytes.
  absl::Status ReceivePayload(std::span<const iovec> payload, Deadline deadline);
  absl::StatusOr<std::vector<std::byte>> ReceivePayload(Deadline deadline);

 private:
  absl::Status Annotated(const absl::Status& status) const;
  // Moves all of `parts`, which it eats up.
  template <bool kSend>
  absl::Status MoveAll(std::vector<iovec>& parts, Deadline deadline);

  Socket socket_;
  bool is_trusted_;  // Whether the connection itself keeps bytes whole.
  std::string peer_;
  std::uint32_t max_payload_bytes_;
  FrameHeaderBytes header_bytes_;  // Of the frame that is being received.
  std::uint32_t payload_bytes_ = 0;
  std::vector<iovec> parts_;  // Kept for its memory.
};

// Drops the first `count` bytes of the parts from `first` on; returns the first part that is left.
[[nodiscard]] std::size_t Advance(std::span<iovec> parts, std::size_t first, std::size_t count);

}  // namespace dime::net
