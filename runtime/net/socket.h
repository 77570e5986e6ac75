// runtime/net/socket.h - stream sockets that never block without a deadline.
//
// Threads: one at a time per object. Errors: kUnavailable (refused, reset, closed, host unknown),
// kDeadlineExceeded, kResourceExhausted (no descriptors), those of TlsStream. The caller's text
// names the peer.
#pragma once

#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "runtime/net/tls_stream.h"

namespace dime::net {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

// A connected or listening socket; non-blocking, closed on exec and when it is destroyed.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), tls_(std::move(other.tls_)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(tls_, other.tls_);
    return *this;
  }
  ~Socket();

  // kCancelled, within a tenth of a second, when it is asked to stop.
  static absl::StatusOr<Socket> Connect(const Address& address, Deadline deadline,
                                        const std::stop_token& stop = {});

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

  // A second object for the same connection, so that one thread sends and another receives. Not
  // before StartTls(), if that is to be called.
  absl::StatusOr<Socket> Duplicate() const;
  // Whoever waits for bytes of this connection is told that it is closed.
  void Shutdown() const;
  // The number of the address by which this host is reached from the peer; "" of a Unix socket.
  [[nodiscard]] std::string LocalHost() const;

  // Both ends are on this host: a Unix socket, or TCP whose ends have one address.
  [[nodiscard]] bool IsWithinHost() const;
  [[nodiscard]] bool IsUnix() const;

  // From now on all bytes go through TLS, once ShakeTls() has returned true. After a false the
  // caller waits for AwaitTls(), or for what WaitsForRoom() says.
  void StartTls(TlsStream::End end, const base::Mac& key) {
    tls_ = std::make_shared<TlsStream>(end, key);
  }
  absl::StatusOr<bool> ShakeTls() { return tls_->Shake(fd_); }
  [[nodiscard]] bool WaitsForRoom() const { return tls_ && tls_->is_blocked_by_output(); }
  absl::Status AwaitTls(Deadline deadline) const {
    return WaitsForRoom() ? AwaitWritable(deadline) : AwaitReadable(deadline);
  }
  [[nodiscard]] bool has_tls() const { return tls_ != nullptr; }

  // Moves as many bytes as go at once, without waiting: 0 when none do. Bytes that were not taken
  // have to come first in the next call. kUnavailable when the peer is gone.
  absl::StatusOr<std::size_t> Send(std::span<const iovec> parts);
  absl::StatusOr<std::size_t> Receive(std::span<const iovec> parts);
  // There is more to receive, of which poll() knows nothing.
  [[nodiscard]] bool HasBufferedInput() const { return tls_ && tls_->HasBufferedInput(); }

  // Returns when the socket may be ready; kDeadlineExceeded. Looks for a while before it sleeps,
  // since a wake-up from another processor costs more than most answers take.
  absl::Status AwaitReadable(Deadline deadline) const;
  absl::Status AwaitWritable(Deadline deadline) const;

 private:
  int fd_ = -1;
  std::shared_ptr<TlsStream> tls_;  // Null: plain. Shared with duplicates.
};

class Listener {
 public:
  // Listens on this address alone, which has to be one of this host: kFailedPrecondition. A port of
  // 0 becomes the one that the system gave. A Unix socket's file is made with the rights of its
  // owner only, and deleted with this object.
  static absl::StatusOr<Listener> Open(const Address& address);
  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  [[nodiscard]] const Address& address() const { return address_; }
  [[nodiscard]] int fd() const { return socket_.fd(); }

  // The next connection that waits; a closed socket when there is none.
  absl::StatusOr<Socket> Accept();

 private:
  Listener(Socket socket, Address address)
      : socket_(std::move(socket)), address_(std::move(address)) {}

  Socket socket_;
  Address address_;
};

}  // namespace dime::net
