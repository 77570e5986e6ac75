#include "runtime/net/greeting.h"

#include <poll.h>

#include <span>
#include <utility>

#include "runtime/net/frame.h"

namespace dime::net {

Greeting::Greeting(Socket socket, const Credentials& credentials)
    : socket_(std::move(socket)),
      handshake_(credentials.token, AsksForTls(credentials.security, socket_)),
      input_(kFrameHeaderBytes) {}

short Greeting::events() const {
  const bool wants_room = num_sent_ < output_.size() || socket_.WaitsForRoom();
  return wants_room ? POLLOUT : POLLIN;
}

absl::StatusOr<bool> Greeting::Advance() {
  while (!socket_.has_tls()) {
    DIME_ASSIGN_OR_RETURN(const bool is_flushed, Flush());
    if (!is_flushed) return false;
    if (handshake_.peer()) {
      if (!handshake_.tls_key()) return true;
      socket_.StartTls(TlsStream::End::kServer, *handshake_.tls_key());
      break;
    }
    DIME_ASSIGN_OR_RETURN(const bool is_whole, ReceiveFrame());
    if (!is_whole) return false;
    DIME_RETURN_IF_ERROR(Answer());
  }
  return socket_.ShakeTls();
}

absl::StatusOr<bool> Greeting::Flush() {
  while (num_sent_ < output_.size()) {
    const iovec left = {output_.data() + num_sent_, output_.size() - num_sent_};
    DIME_ASSIGN_OR_RETURN(const std::size_t sent, socket_.Send({&left, 1}));
    if (sent == 0) return false;
    num_sent_ += sent;
  }
  return true;
}

absl::StatusOr<bool> Greeting::ReceiveFrame() {
  while (true) {
    while (num_received_ < input_.size()) {
      const iovec room = {input_.data() + num_received_, input_.size() - num_received_};
      DIME_ASSIGN_OR_RETURN(const std::size_t received, socket_.Receive({&room, 1}));
      if (received == 0) return false;
      num_received_ += received;
    }
    if (header_) return true;
    DIME_ASSIGN_OR_RETURN(header_, DecodeFrameHeader(std::span(input_).first<kFrameHeaderBytes>(),
                                                     kMaxHandshakePayloadBytes));
    input_.resize(kFrameHeaderBytes + header_->payload_bytes);
  }
}

absl::Status Greeting::Answer() {
  const std::span<std::byte> payload = std::span(input_).subspan(kFrameHeaderBytes);
  const iovec came = {payload.data(), payload.size()};
  DIME_RETURN_IF_ERROR(CheckFrameSum(std::span(input_).first<kFrameHeaderBytes>(), {&came, 1}));
  DIME_ASSIGN_OR_RETURN(HandshakeServer::Answer answer, handshake_.OnFrame(header_->type, payload));
  input_.resize(kFrameHeaderBytes);
  num_received_ = 0;
  header_.reset();
  const iovec part = {answer.payload.data(), answer.payload.size()};
  const FrameHeaderBytes header = EncodeFrameHeader(
      {.type = answer.type, .payload_bytes = static_cast<std::uint32_t>(answer.payload.size())},
      {&part, 1});
  output_.assign(header.begin(), header.end());
  output_.insert(output_.end(), answer.payload.begin(), answer.payload.end());
  num_sent_ = 0;
  return absl::OkStatus();
}

}  // namespace dime::net
