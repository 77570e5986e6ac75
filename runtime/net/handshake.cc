#include "runtime/net/handshake.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace dime::net {
namespace {

constexpr std::size_t kNonceBytes = 16;

struct Hello {
  PeerName name;
  std::uint32_t asks_for_tls = 0;
  std::array<std::byte, kNonceBytes> nonce;
};
static_assert(sizeof(Hello) == 32);

struct Challenge {
  std::array<std::byte, kNonceBytes> nonce;
  std::uint32_t tls_follows = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(Challenge) == 24);

struct ProvenChallenge {
  Challenge challenge;
  base::Mac proof;
};
static_assert(sizeof(ProvenChallenge) == 56);

// What both ends have said: no other handshake has the same.
std::string Transcript(std::string_view use, std::span<const std::byte> hello,
                       std::span<const std::byte> challenge) {
  std::string text(use);
  text.append(reinterpret_cast<const char*>(hello.data()), hello.size());
  text.append(reinterpret_cast<const char*>(challenge.data()), challenge.size());
  return text;
}

base::Mac ProofOf(const base::Secret& token, std::string_view direction,
                  std::span<const std::byte> hello, std::span<const std::byte> challenge) {
  return base::HmacSha256(token.bytes(), Transcript(direction, hello, challenge));
}

constexpr std::string_view kServerProves = "dime 1: the server knows the token";
constexpr std::string_view kClientProves = "dime 1: the client knows the token";
constexpr std::string_view kTlsKey = "dime 1: key of TLS";

base::Mac TlsKeyOf(const base::Secret& token, std::span<const std::byte> hello,
                   std::span<const std::byte> challenge) {
  return base::HkdfSha256(token.bytes(), Transcript("", hello, challenge), kTlsKey);
}

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
  if (!header.ok()) return base::Annotate(header.status(), "the handshake");
  if (header->type == type && header->payload_bytes == size) return absl::OkStatus();
  return base::DataLoss("{}: a message of type {} and {} bytes in place of the handshake's",
                        channel.peer(), header->type, header->payload_bytes);
}

absl::Status ShakeHands(Channel& channel, const Credentials& credentials, const PeerName& self,
                        Deadline deadline) {
  const base::Secret& token = credentials.token;
  const bool asks_for_tls = AsksForTls(credentials.security, channel.socket());
  Hello hello{.name = self, .asks_for_tls = asks_for_tls ? 1u : 0u, .nonce = {}};
  base::FillRandom(hello.nonce);
  DIME_RETURN_IF_ERROR(Send(channel, kHello, hello, deadline));

  DIME_RETURN_IF_ERROR(ExpectFrame(channel, kChallenge, sizeof(ProvenChallenge), deadline));
  ProvenChallenge proven;
  const iovec part = {&proven, sizeof(proven)};
  DIME_RETURN_IF_ERROR(channel.ReceivePayload({&part, 1}, deadline));
  const std::span<const std::byte> challenge = BytesOf(proven.challenge);
  if (!base::SameMac(proven.proof, ProofOf(token, kServerProves, BytesOf(hello), challenge))) {
    return base::PermissionDenied("{}: it does not know this job's token", channel.peer());
  }
  const bool tls_follows = proven.challenge.tls_follows != 0;
  if (asks_for_tls && !tls_follows) {
    return base::PermissionDenied("{}: it refuses TLS (--transport-security)", channel.peer());
  }
  DIME_RETURN_IF_ERROR(
      Send(channel, kProof, ProofOf(token, kClientProves, BytesOf(hello), challenge), deadline));
  DIME_RETURN_IF_ERROR(ExpectFrame(channel, kWelcome, 0, deadline));
  DIME_RETURN_IF_ERROR(channel.ReceivePayload(std::span<const iovec>(), deadline));
  if (!tls_follows) return absl::OkStatus();
  base::Mac key = TlsKeyOf(token, BytesOf(hello), challenge);
  const absl::Status status = channel.StartTls(TlsStream::End::kClient, key, deadline);
  base::Wipe(key);
  return status;
}

}  // namespace

absl::Status Authenticate(Channel& channel, const Credentials& credentials, const PeerName& self,
                          Deadline deadline, const std::stop_token& stop) {
  absl::Status status;
  {
    const std::stop_callback on_stop(stop, [&channel] { channel.Shutdown(); });
    status = ShakeHands(channel, credentials, self, deadline);
  }
  if (!stop.stop_requested()) return status;
  return base::Cancelled("{}: stopped during the handshake", channel.peer());
}

absl::StatusOr<HandshakeServer::Answer> HandshakeServer::OnFrame(
    std::uint8_t type, std::span<const std::byte> payload) {
  if (type == kHello && hello_.empty() && payload.size() == sizeof(Hello)) {
    hello_.assign(payload.begin(), payload.end());
    Hello hello;
    std::memcpy(&hello, hello_.data(), sizeof(hello));
    ProvenChallenge proven{};
    base::FillRandom(proven.challenge.nonce);
    proven.challenge.tls_follows = asks_for_tls_ || hello.asks_for_tls != 0 ? 1 : 0;
    const std::span<const std::byte> challenge = BytesOf(proven.challenge);
    challenge_.assign(challenge.begin(), challenge.end());
    proven.proof = ProofOf(token_, kServerProves, hello_, challenge_);
    is_challenged_ = true;
    const std::span<const std::byte> bytes = BytesOf(proven);
    return Answer{kChallenge, {bytes.begin(), bytes.end()}};
  }
  if (type == kProof && is_challenged_ && payload.size() == sizeof(base::Mac)) {
    is_challenged_ = false;
    base::Mac proof;
    std::ranges::copy(payload, proof.begin());
    if (!base::SameMac(proof, ProofOf(token_, kClientProves, hello_, challenge_))) {
      return base::PermissionDenied("it does not know this job's token");
    }
    Hello hello;
    std::memcpy(&hello, hello_.data(), sizeof(hello));
    peer_ = hello.name;
    Challenge challenge;
    std::memcpy(&challenge, challenge_.data(), sizeof(challenge));
    if (challenge.tls_follows != 0) tls_key_ = TlsKeyOf(token_, hello_, challenge_);
    return Answer{kWelcome, {}};
  }
  return base::PermissionDenied("a message of type {} and {} bytes before the handshake was over",
                                type, payload.size());
}

}  // namespace dime::net
