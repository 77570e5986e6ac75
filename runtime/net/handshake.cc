#include "runtime/net/handshake.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace dime::net {
namespace {

constexpr std::size_t kNonceBytes = 16;

struct Hello {
  PeerName name;
  std::uint32_t reserved = 0;
  std::array<std::byte, kNonceBytes> nonce;
};
static_assert(sizeof(Hello) == 32);

struct Challenge {
  std::array<std::byte, kNonceBytes> nonce;
  base::Mac proof;
};
static_assert(sizeof(Challenge) == 48);

base::Mac ProofOf(const std::string& token, std::string_view direction,
                  std::span<const std::byte> hello, std::span<const std::byte> server_nonce) {
  std::string text(direction);
  text.append(reinterpret_cast<const char*>(hello.data()), hello.size());
  text.append(reinterpret_cast<const char*>(server_nonce.data()), server_nonce.size());
  return base::HmacSha256(token, text);
}

constexpr std::string_view kServerProves = "dime 1: the server knows the token";
constexpr std::string_view kClientProves = "dime 1: the client knows the token";

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

template <typename T>
absl::Status Send(Channel& channel, std::uint8_t type, const T& value, Deadline deadline) {
  const iovec part = {const_cast<T*>(&value), sizeof(value)};
  return channel.Send({.type = type}, {&part, 1}, deadline);
}

absl::Status ExpectFrame(Channel& channel, std::uint8_t type, std::size_t size, Deadline deadline) {
  absl::StatusOr<FrameHeader> header = channel.ReceiveHeader(deadline);
  if (absl::IsUnavailable(header.status())) {
    return base::PermissionDenied(
        "{}: it hung up during the handshake; do both have the same token?", channel.peer());
  }
  if (!header.ok()) return header.status();
  if (header->type == type && header->payload_bytes == size) return absl::OkStatus();
  return base::DataLoss("{}: a message of type {} and {} bytes in place of the handshake's",
                        channel.peer(), header->type, header->payload_bytes);
}

}  // namespace

absl::Status Authenticate(Channel& channel, const std::string& token, const PeerName& self,
                          Deadline deadline) {
  Hello hello{.name = self, .reserved = 0, .nonce = {}};
  base::FillRandom(hello.nonce);
  DIME_RETURN_IF_ERROR(Send(channel, kHello, hello, deadline));

  DIME_RETURN_IF_ERROR(ExpectFrame(channel, kChallenge, sizeof(Challenge), deadline));
  Challenge challenge;
  const iovec part = {&challenge, sizeof(challenge)};
  DIME_RETURN_IF_ERROR(channel.ReceivePayload({&part, 1}, deadline));
  if (!base::SameMac(challenge.proof,
                     ProofOf(token, kServerProves, BytesOf(hello), challenge.nonce))) {
    return base::PermissionDenied("{}: it does not know this job's token", channel.peer());
  }
  DIME_RETURN_IF_ERROR(Send(
      channel, kProof, ProofOf(token, kClientProves, BytesOf(hello), challenge.nonce), deadline));
  DIME_RETURN_IF_ERROR(ExpectFrame(channel, kWelcome, 0, deadline));
  return channel.ReceivePayload(std::span<const iovec>(), deadline);
}

absl::StatusOr<HandshakeServer::Answer> HandshakeServer::OnFrame(
    std::uint8_t type, std::span<const std::byte> payload) {
  if (type == kHello && hello_.empty() && payload.size() == sizeof(Hello)) {
    hello_.assign(payload.begin(), payload.end());
    Challenge challenge;
    base::FillRandom(challenge.nonce);
    challenge.proof = ProofOf(token_, kServerProves, hello_, challenge.nonce);
    challenge_.assign(challenge.nonce.begin(), challenge.nonce.end());
    const std::span<const std::byte> bytes = BytesOf(challenge);
    return Answer{kChallenge, {bytes.begin(), bytes.end()}};
  }
  if (type == kProof && !challenge_.empty() && payload.size() == sizeof(base::Mac)) {
    base::Mac proof;
    std::ranges::copy(payload, proof.begin());
    if (!base::SameMac(proof, ProofOf(token_, kClientProves, hello_, challenge_))) {
      return base::PermissionDenied("it does not know this job's token");
    }
    challenge_.clear();
    Hello hello;
    std::memcpy(&hello, hello_.data(), sizeof(hello));
    peer_ = hello.name;
    return Answer{kWelcome, {}};
  }
  return base::PermissionDenied("a message of type {} and {} bytes before the handshake was over",
                                type, payload.size());
}

}  // namespace dime::net
