// ps/internal/server_links.h - a connection to each parameter server: requests that go to all of
// them, and their answers.
//
// Threads: one at a time. A refusal leaves a connection usable; every other error does not.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "ops/half.h"
#include "ps/wire.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "runtime/net/channel.h"
#include "runtime/net/credentials.h"
#include "runtime/net/handshake.h"

namespace dime::ps {

struct ClientOptions {
  net::Credentials credentials;
  net::PeerName self;                            // NameOfReplica().
  std::chrono::milliseconds connect_time{5000};  // For a server that is not there yet, too.
  // A server may have to wait for other replicas, which read their data or evaluate.
  std::chrono::milliseconds answer_time{600'000};
  ops::Precision precision = ops::Precision::kFloat32;  // Of gradients and rows on the wire.
  std::stop_token stop = {};             // Ends all waits: nobody answers any more, or need not.
  std::stop_token stop_connecting = {};  // Ends the connecting alone.
};

}  // namespace dime::ps

namespace dime::ps::internal {

class ServerLinks {
 public:
  explicit ServerLinks(const ClientOptions& options) : options_(options) {}
  ServerLinks(const ServerLinks&) = delete;
  ServerLinks& operator=(const ServerLinks&) = delete;

  // To all servers: servers[s] is where server s listens, in order of preference. kCancelled when
  // it is asked to stop.
  absl::Status Connect(std::span<const std::vector<net::Address>> servers);

  [[nodiscard]] std::size_t size() const { return channels_.size(); }
  [[nodiscard]] const ClientOptions& options() const { return options_; }
  [[nodiscard]] net::Channel& channel(std::size_t server) { return channels_[server]; }

  // A new request's number; answers to it may come until the deadline.
  net::Deadline Begin() { return BeginWithin(options_.answer_time); }
  net::Deadline BeginWithin(std::chrono::milliseconds time) {
    ++request_id_;
    return net::Clock::now() + time;
  }

  absl::Status Send(std::size_t server, MessageType type, std::span<const iovec> payload,
                    net::Deadline deadline);
  // The header of an answer, if it is of this type; a refusal is the error that it says.
  absl::StatusOr<net::FrameHeader> ReceiveHeader(std::size_t server, MessageType type,
                                                 net::Deadline deadline);
  // A whole answer, of one frame or several, into parts that have its size.
  absl::Status ReceiveInto(std::size_t server, MessageType type, std::span<const iovec> parts,
                           net::Deadline deadline);
  absl::Status ReceiveDone(std::size_t server, net::Deadline deadline) {
    return ReceiveInto(server, MessageType::kDone, {}, deadline);
  }
  // Whether the last answer was read to its end.
  [[nodiscard]] bool is_whole() const { return is_whole_; }

  // The same request to all servers, which answer that it is done.
  absl::Status AskAll(MessageType type, std::span<const iovec> payload = {});

 private:
  absl::Status ConnectTo(std::size_t server, std::span<const net::Address> addresses,
                         net::Deadline deadline, const std::stop_token& stop);
  absl::Status TryToConnect(std::size_t server, std::span<const net::Address> addresses,
                            net::Deadline deadline, const std::stop_token& stop);

  // The first `count` bytes of the parts; valid until the next call.
  std::span<const iovec> FirstBytes(std::span<const iovec> parts, std::size_t count);

  const ClientOptions options_;
  std::vector<net::Channel> channels_;
  // Closes them; there once all are.
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
  std::uint64_t request_id_ = 0;
  bool is_whole_ = true;

  // Kept for their memory.
  std::vector<iovec> parts_;
  std::vector<iovec> frame_parts_;
};

}  // namespace dime::ps::internal
