#include "ps/internal/server_links.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "runtime/base/either_stop.h"

namespace dime::ps::internal {

using net::Clock;
using net::Deadline;

absl::Status ServerLinks::Connect(std::span<const std::vector<net::Address>> servers) {
  const Deadline deadline = Clock::now() + options_.connect_time;
  const base::EitherStop stop(options_.stop, options_.stop_connecting);
  for (std::size_t s = 0; s < servers.size(); ++s) {
    DIME_RETURN_IF_ERROR(ConnectTo(s, servers[s], deadline, stop.token()));
  }
  on_stop_.emplace(options_.stop, [this] {
    for (const net::Channel& channel : channels_) channel.Shutdown();
  });
  return absl::OkStatus();
}

// Servers are started at the same time as their clients: who is not there may be so in a moment.
absl::Status ServerLinks::ConnectTo(std::size_t server, std::span<const net::Address> addresses,
                                    Deadline deadline, const std::stop_token& stop) {
  constexpr std::chrono::milliseconds kFirstPause{1};
  constexpr std::chrono::milliseconds kLongestPause{100};
  for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    const absl::Status connected = TryToConnect(server, addresses, deadline, stop);
    if (stop.stop_requested()) {
      return base::Cancelled("stopped while connecting to ps-{}: {}", server,
                             base::MessageOf(connected));
    }
    if (!absl::IsUnavailable(connected) && !absl::IsDeadlineExceeded(connected)) return connected;
    if (Clock::now() + pause >= deadline) {
      return base::Annotate(
          connected, fmt::format("no ps-{} within {} ms", server, options_.connect_time.count()));
    }
    std::this_thread::sleep_for(pause);
  }
}

absl::Status ServerLinks::TryToConnect(std::size_t server, std::span<const net::Address> addresses,
                                       Deadline deadline, const std::stop_token& stop) {
  absl::Status last = base::InvalidArgument("ps-{} has no address", server);
  for (const net::Address& address : addresses) {
    absl::StatusOr<net::Socket> socket = net::Socket::Connect(address, deadline, stop);
    if (!socket.ok()) {
      last = socket.status();
      continue;
    }
    net::Channel channel(*std::move(socket),
                         fmt::format("ps-{} at {}", server, address.ToString()));
    DIME_RETURN_IF_ERROR(
        net::Authenticate(channel, options_.credentials, options_.self, deadline, stop));
    channels_.push_back(std::move(channel));
    return absl::OkStatus();
  }
  return last;
}

absl::Status ServerLinks::Send(std::size_t server, MessageType type, std::span<const iovec> payload,
                               Deadline deadline) {
  return channels_[server].Send({.type = static_cast<std::uint8_t>(type),
                                 .request_id = request_id_,
                                 .incarnation = options_.self.incarnation},
                                payload, deadline);
}

absl::StatusOr<net::FrameHeader> ServerLinks::ReceiveHeader(std::size_t server, MessageType type,
                                                            Deadline deadline) {
  net::Channel& channel = channels_[server];
  is_whole_ = false;
  DIME_ASSIGN_OR_RETURN(const net::FrameHeader header, channel.ReceiveHeader(deadline));
  if (header.request_id != request_id_) {
    return base::DataLoss("{}: an answer to request {} in place of {}", channel.peer(),
                          header.request_id, request_id_);
  }
  if (header.type == static_cast<std::uint8_t>(MessageType::kRefused)) {
    DIME_ASSIGN_OR_RETURN(const auto bytes, channel.ReceivePayload(deadline));
    is_whole_ = true;
    return base::Annotate(DecodeStatus({reinterpret_cast<const char*>(bytes.data()), bytes.size()}),
                          channel.peer());
  }
  if (header.type == static_cast<std::uint8_t>(type)) return header;
  return base::DataLoss("{}: an answer of type {}", channel.peer(), header.type);
}

absl::Status ServerLinks::ReceiveInto(std::size_t server, MessageType type,
                                      std::span<const iovec> parts, Deadline deadline) {
  std::size_t left = net::SizeOf(parts);
  parts_.assign(parts.begin(), parts.end());
  std::size_t first = 0;
  while (true) {
    DIME_ASSIGN_OR_RETURN(const net::FrameHeader header, ReceiveHeader(server, type, deadline));
    const bool is_last = (header.flags & net::kFlagMore) == 0;
    if (header.payload_bytes > left || (is_last && header.payload_bytes < left)) {
      return base::DataLoss("{}: an answer of {} bytes that had {} to come",
                            channels_[server].peer(), header.payload_bytes, left);
    }
    DIME_RETURN_IF_ERROR(channels_[server].ReceivePayload(
        FirstBytes(std::span(parts_).subspan(first), header.payload_bytes), deadline));
    if (is_last) break;
    left -= header.payload_bytes;
    first = net::Advance(parts_, first, header.payload_bytes);
  }
  is_whole_ = true;
  return absl::OkStatus();
}

std::span<const iovec> ServerLinks::FirstBytes(std::span<const iovec> parts, std::size_t count) {
  frame_parts_.clear();
  for (const iovec& part : parts) {
    if (count == 0) break;
    frame_parts_.push_back({part.iov_base, std::min(part.iov_len, count)});
    count -= frame_parts_.back().iov_len;
  }
  return frame_parts_;
}

absl::Status ServerLinks::AskAll(MessageType type, std::span<const iovec> payload) {
  const Deadline deadline = Begin();
  for (std::size_t s = 0; s < size(); ++s) {
    DIME_RETURN_IF_ERROR(Send(s, type, payload, deadline));
  }
  absl::Status refused;
  for (std::size_t s = 0; s < size(); ++s) {
    const absl::Status answer = ReceiveDone(s, deadline);
    if (!answer.ok() && !is_whole_) return answer;
    refused.Update(answer);  // The other servers' answers are on their way all the same.
  }
  return refused;
}

}  // namespace dime::ps::internal
