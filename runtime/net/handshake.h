// runtime/net/handshake.h - both ends prove that they know the job's token before anything else.
//
//   client -> server  hello: who it is, and 16 random bytes
//   server -> client  challenge: 16 random bytes, and its proof
//   client -> server  proof
//   server -> client  welcome
// A proof is HMAC-SHA256(token, direction, hello, both random values): nothing of one handshake
// helps in another, or in the other direction. Until it is over a message has at most 4 KiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/secret.h"
#include "runtime/base/status.h"
#include "runtime/net/channel.h"

namespace dime::net {

// Frame types below 16 belong to the handshake.
inline constexpr std::uint8_t kHello = 1;
inline constexpr std::uint8_t kChallenge = 2;
inline constexpr std::uint8_t kProof = 3;
inline constexpr std::uint8_t kWelcome = 4;
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
// client does not.
absl::Status Authenticate(Channel& channel, const std::string& token, const PeerName& self,
                          Deadline deadline);

// The server's part, a frame at a time.
class HandshakeServer {
 public:
  explicit HandshakeServer(const std::string& token) : token_(token) {}

  struct Answer {
    std::uint8_t type = 0;
    std::vector<std::byte> payload;
  };
  // What to answer; an error ends the connection. After the answer kWelcome the peer is known.
  absl::StatusOr<Answer> OnFrame(std::uint8_t type, std::span<const std::byte> payload);
  [[nodiscard]] const std::optional<PeerName>& peer() const { return peer_; }

 private:
  const std::string& token_;
  std::vector<std::byte> hello_;
  std::vector<std::byte> challenge_;
  std::optional<PeerName> peer_;
};

}  // namespace dime::net
