#include "runtime/net/channel.h"

#include "runtime/base/check.h"

namespace dime::net {

std::size_t Advance(std::span<iovec> parts, std::size_t first, std::size_t count) {
  while (first < parts.size() && count >= parts[first].iov_len) count -= parts[first++].iov_len;
  if (first < parts.size()) {
    parts[first].iov_base = static_cast<std::byte*>(parts[first].iov_base) + count;
    parts[first].iov_len -= count;
  }
  return first;
}

absl::Status Channel::Annotated(const absl::Status& status) const {
  return base::Annotate(status, peer_);
}

absl::Status Channel::StartTls(TlsStream::End end, const base::Mac& key, Deadline deadline) {
  socket_.StartTls(end, key);
  is_trusted_ = true;
  while (true) {
    const absl::StatusOr<bool> is_over = socket_.ShakeTls();
    if (!is_over.ok()) return Annotated(is_over.status());
    if (*is_over) return absl::OkStatus();
    const absl::Status ready = socket_.AwaitTls(deadline);
    if (!ready.ok()) return Annotated(base::Annotate(ready, "it does not end its TLS handshake"));
  }
}

absl::StatusOr<Channel> Channel::Twin() const {
  absl::StatusOr<Socket> twin = socket_.Duplicate();
  if (!twin.ok()) return Annotated(twin.status());
  Channel channel(*std::move(twin), peer_, max_payload_bytes_);
  channel.is_trusted_ = is_trusted_;
  return channel;
}

template <bool kSend>
absl::Status Channel::MoveAll(std::vector<iovec>& parts, Deadline deadline) {
  std::size_t first = Advance(parts, 0, 0);
  while (first < parts.size()) {
    const std::span<const iovec> left = std::span(parts).subspan(first);
    const absl::StatusOr<std::size_t> moved = kSend ? socket_.Send(left) : socket_.Receive(left);
    if (!moved.ok()) return Annotated(moved.status());
    if (*moved > 0) {
      first = Advance(parts, first, *moved);
      continue;
    }
    const absl::Status ready =
        kSend ? socket_.AwaitWritable(deadline) : socket_.AwaitReadable(deadline);
    if (!ready.ok()) {
      return Annotated(base::Annotate(ready, kSend ? "it takes no more bytes" : "no answer"));
    }
  }
  return absl::OkStatus();
}

absl::Status Channel::Send(FrameHeader header, std::span<const iovec> payload, Deadline deadline) {
  const std::size_t size = SizeOf(payload);
  if (size > max_payload_bytes_) {
    return Annotated(base::ResourceExhausted("a message of {} bytes is too long; {} are allowed",
                                             size, max_payload_bytes_));
  }
  header.payload_bytes = static_cast<std::uint32_t>(size);
  if (is_trusted_) header.flags |= kFlagHeaderSumOnly;
  FrameHeaderBytes bytes = EncodeFrameHeader(header, payload);
  parts_.assign(1, {bytes.data(), bytes.size()});
  parts_.insert(parts_.end(), payload.begin(), payload.end());
  return MoveAll<true>(parts_, deadline);
}

absl::StatusOr<FrameHeader> Channel::ReceiveHeader(Deadline deadline) {
  parts_.assign(1, {header_bytes_.data(), header_bytes_.size()});
  DIME_RETURN_IF_ERROR(MoveAll<false>(parts_, deadline));
  absl::StatusOr<FrameHeader> header = DecodeFrameHeader(header_bytes_, max_payload_bytes_);
  if (!header.ok()) return Annotated(header.status());
  payload_bytes_ = header->payload_bytes;
  return header;
}

absl::Status Channel::ReceivePayload(std::span<const iovec> payload, Deadline deadline) {
  DIME_CHECK(SizeOf(payload) == payload_bytes_);
  parts_.assign(payload.begin(), payload.end());
  DIME_RETURN_IF_ERROR(MoveAll<false>(parts_, deadline));
  return Annotated(CheckFrameSum(header_bytes_, payload));
}

absl::StatusOr<std::vector<std::byte>> Channel::ReceivePayload(Deadline deadline) {
  std::vector<std::byte> payload(payload_bytes_);
  const iovec part = {payload.data(), payload.size()};
  DIME_RETURN_IF_ERROR(ReceivePayload({&part, 1}, deadline));
  return payload;
}

}  // namespace dime::net
