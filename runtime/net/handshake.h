// runtime/net/handshake.h - both ends prove that they know the job's token before anything else.
//
//   client -> server  hello: who it is, whether it asks for TLS, and 16 random bytes
//   server -> client  challenge: 16 random bytes, whether TLS follows, and its proof
//   client -> server  proof
//   server -> client  welcome; TLS begins right after it, if it follows
// A proof is HMAC-SHA256(token, direction, hello, challenge): nothing of one handshake helps in
// another, or in the other direction. Both ends know what the other asked for, since the proofs
// cover it; TLS follows when either asks, and its key is made of token, hello and challenge. Until
// the handshake is over a message has at most 4 KiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "runtime/base/secret.h"
#include "runtime/base/status.h"
#include "runtime/net/channel.h"
#include "runtime/net/credentials.h"

namespace dime::net {

// Frame types below 16 belong to the handshake.
inline constexpr std::uint8_t kHello = 1;
inline constexpr std::uint8_t kChallenge = 2;
inline constexpr std::uint8_t kProof = 3;
inline constexpr std::uint8_t kWelcome = 4;
// From a server to who speaks another version, which its header tells: nothing. It hangs up.
inline constexpr std::uint8_t kOtherVersion = 5;
inline constexpr std::uint8_t kFirstFreeType = 16;

inline constexpr std::uint32_t kMaxHandshakePayloadBytes = 4096;

// Who a peer says it is; what a role means is the caller's business.
struct PeerName {
  std::uint32_t role = 0;
  std::uint32_t index = 0;
  std::uint32_t incarnation = 0;
  friend bool operator==(const PeerName&, const PeerName&) = default;
};

// The client's part. kPermissionDenied when the server does not know the token, or says that this
// client does not; kCancelled, at once, when it is asked to stop. Afterwards the channel is as
// secure as either end asks for.
absl::Status Authenticate(Channel& channel, const Credentials& credentials, const PeerName& self,
                          Deadline deadline, const std::stop_token& stop = {});

// The server's part, a frame at a time.
class HandshakeServer {
 public:
  // `token` outlives this object. `asks_for_tls`: AsksForTls() of this end.
  HandshakeServer(const base::Secret& token, bool asks_for_tls)
      : token_(token), asks_for_tls_(asks_for_tls) {}
  HandshakeServer(const HandshakeServer&) = delete;
  HandshakeServer& operator=(const HandshakeServer&) = delete;
  ~HandshakeServer() {
    if (tls_key_) base::Wipe(*tls_key_);
  }

  struct Answer {
    std::uint8_t type = 0;
    std::vector<std::byte> payload;
  };
  // What to answer; an error ends the connection. After the answer kWelcome the peer is known, and
  // TLS begins if there is a key for it.
  absl::StatusOr<Answer> OnFrame(std::uint8_t type, std::span<const std::byte> payload);
  [[nodiscard]] const std::optional<PeerName>& peer() const { return peer_; }
  [[nodiscard]] const std::optional<base::Mac>& tls_key() const { return tls_key_; }

 private:
  const base::Secret& token_;
  const bool asks_for_tls_;
  std::vector<std::byte> hello_;
  std::vector<std::byte> challenge_;  // Without its proof.
  bool is_challenged_ = false;
  std::optional<PeerName> peer_;
  std::optional<base::Mac> tls_key_;
};

}  // namespace dime::net
