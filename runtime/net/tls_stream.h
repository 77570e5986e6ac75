// runtime/net/tls_stream.h - TLS 1.3 over a connected socket, between two ends that have one key:
// no certificates, and nobody without the key gets past its handshake.
//
// AES-128-GCM, with a fresh X25519 exchange: who learns the job's token later cannot read what was
// said before. Nothing waits: 0 bytes moved, or a handshake that is not over, is for the caller to
// wait for, as with the socket itself. Threads: any; one may send while another receives.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>

#include "runtime/base/secret.h"
#include "runtime/base/status.h"

namespace dime::net {

class TlsStream {
 public:
  enum class End { kClient, kServer };
  // RFC 8446 section 5.5 allows 2^24.5 records with one key of AES-GCM.
  static constexpr std::uint64_t kRecordsPerKey = std::uint64_t{1} << 23;

  // Forgets `key` once the handshake is over. After so many records sent a new one follows from it.
  TlsStream(End end, const base::Mac& key, std::uint64_t records_per_key = kRecordsPerKey);
  ~TlsStream();

  // `fd` is the connection, the same in all calls or a duplicate.

  // Goes on with the handshake: true when it is over. kPermissionDenied when the other end has
  // another key, or does not speak TLS; kUnavailable when it is gone.
  absl::StatusOr<bool> Shake(int fd);
  // Shake() waits for room to send, not for bytes.
  [[nodiscard]] bool is_blocked_by_output() const;

  // As those of Socket. What Send() did not take has to come first in the next call, at any place.
  // kDataLoss when bytes were changed on their way.
  absl::StatusOr<std::size_t> Send(int fd, std::span<const iovec> parts);
  absl::StatusOr<std::size_t> Receive(int fd, std::span<const iovec> parts);
  // Bytes have come that poll() does not see any more.
  [[nodiscard]] bool HasBufferedInput() const;

 private:
  class Impl;  // Keeps OpenSSL out of this header.
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::net
