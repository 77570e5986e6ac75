#include "worker/collective/socket_collective.h"

#include <poll.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/net/channel.h"
#include "runtime/net/handshake.h"

namespace dime::worker {
namespace {

using net::Clock;
using net::Deadline;
using net::PartOf;

constexpr std::uint8_t kValues = 128;  // The one type of frame.
constexpr std::chrono::milliseconds kHandshakeTime{5000};
constexpr std::chrono::seconds kConnectTime{60};

net::Channel ChannelTo(net::Socket socket, const net::Address& address) {
  return net::Channel(std::move(socket), fmt::format("over {}", address.ToString()));
}

class SocketCollective final : public Collective {
 public:
  explicit SocketCollective(const SocketCollectiveOptions& options)
      : options_(options), peers_(options.addresses.size()) {}

  absl::Status ConnectAll(std::span<net::Listener> listeners) {
    const Deadline deadline = Clock::now() + options_.connect_time;
    DIME_RETURN_IF_ERROR(AcceptAll(listeners, deadline));
    for (int r = rank() + 1; r < size(); ++r) {
      // Who is connected to has been listening since before it joined: it is there, or never.
      const Deadline soon = std::min(deadline, Clock::now() + kConnectTime);
      DIME_RETURN_IF_ERROR(base::Annotate(Connect(r, soon), RankName(r)));
    }
    on_stop_.emplace(options_.stop, [this] {
      for (const std::optional<net::Channel>& peer : peers_) {
        if (peer) peer->Shutdown();
      }
    });
    return absl::OkStatus();
  }

  [[nodiscard]] int rank() const override { return options_.rank; }
  [[nodiscard]] int size() const override { return static_cast<int>(peers_.size()); }

  // Ranks meet in pairs, round by round, in the same order everywhere: nobody waits in a circle.
  absl::Status Exchange(std::span<const std::span<const float>> outgoing,
                        std::span<const std::span<float>> incoming) override {
    DIME_CHECK(outgoing.size() == peers_.size() && incoming.size() == peers_.size());
    if (!failed_.ok()) return failed_;
    ++number_;
    const Deadline deadline = Clock::now() + options_.patience;
    for (int round = 0; round < size(); ++round) {
      const int peer = (round - rank() + size()) % size();
      if (peer == rank()) continue;
      const auto at = static_cast<std::size_t>(peer);
      failed_ = base::Annotate(Meet(peer, outgoing[at], incoming[at], deadline), RankName(peer));
      if (!failed_.ok()) return failed_;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Connect(int rank, Deadline deadline) {
    constexpr std::chrono::milliseconds kFirstPause{1};
    constexpr std::chrono::milliseconds kLongestPause{100};
    for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
      const absl::Status connected = TryToConnect(rank, deadline);
      if (!absl::IsUnavailable(connected) || Clock::now() + pause >= deadline) return connected;
      std::this_thread::sleep_for(pause);
    }
  }

  absl::Status TryToConnect(int rank, Deadline deadline) {
    const auto at = static_cast<std::size_t>(rank);
    absl::Status last = base::InvalidArgument("it listens nowhere");
    for (const net::Address& address : options_.addresses[at]) {
      absl::StatusOr<net::Socket> socket = net::Socket::Connect(address, deadline);
      if (!socket.ok()) {
        last = socket.status();
        continue;
      }
      net::Channel peer = ChannelTo(*std::move(socket), address);
      DIME_RETURN_IF_ERROR(net::Authenticate(peer, options_.credentials,
                                             {.index = static_cast<std::uint32_t>(options_.rank)},
                                             deadline));
      peers_[at] = std::move(peer);
      return absl::OkStatus();
    }
    return last;
  }

  absl::Status AcceptAll(std::span<net::Listener> listeners, Deadline deadline) {
    while (const std::optional<int> missing = FirstMissing()) {
      std::vector<pollfd> ready;
      for (const net::Listener& listener : listeners) ready.push_back({listener.fd(), POLLIN, 0});
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      if (left.count() <= 0) {
        return base::DeadlineExceeded("{} has waited {} ms for {}, which does not connect",
                                      RankName(rank()), options_.connect_time.count(),
                                      RankName(*missing));
      }
      if (poll(ready.data(), ready.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) {
        return base::ErrnoToStatus(errno, "cannot wait for replicas");
      }
      for (net::Listener& listener : listeners) {
        DIME_ASSIGN_OR_RETURN(net::Socket socket, listener.Accept());
        if (!socket.is_open()) continue;
        const absl::Status welcomed = Welcome(ChannelTo(std::move(socket), listener.address()),
                                              std::min(deadline, Clock::now() + kHandshakeTime));
        if (welcomed.ok() || ++num_strangers_ > 1) continue;
        base::Log(base::Severity::kWarning, "a stranger connected, and more may, untold: {}",
                  base::MessageOf(welcomed));
      }
    }
    return absl::OkStatus();
  }

  // Of those that connect here: the lower ones.
  [[nodiscard]] std::optional<int> FirstMissing() const {
    for (int r = 0; r < rank(); ++r) {
      if (!peers_[static_cast<std::size_t>(r)]) return r;
    }
    return std::nullopt;
  }

  absl::Status Welcome(net::Channel peer, Deadline deadline) {
    net::HandshakeServer handshake(options_.credentials.token,
                                   net::AsksForTls(options_.credentials.security, peer.socket()));
    while (!handshake.peer()) {
      DIME_ASSIGN_OR_RETURN(const net::FrameHeader header, peer.ReceiveHeader(deadline));
      if (header.payload_bytes > net::kMaxHandshakePayloadBytes) {
        return base::PermissionDenied("{} bytes before the handshake was over",
                                      header.payload_bytes);
      }
      DIME_ASSIGN_OR_RETURN(const auto payload, peer.ReceivePayload(deadline));
      DIME_ASSIGN_OR_RETURN(const auto answer, handshake.OnFrame(header.type, payload));
      const iovec part = PartOf(answer.payload.data(), answer.payload.size());
      DIME_RETURN_IF_ERROR(peer.Send({.type = answer.type}, {&part, 1}, deadline));
    }
    if (const auto& key = handshake.tls_key()) {
      DIME_RETURN_IF_ERROR(peer.StartTls(net::TlsStream::End::kServer, *key, deadline));
    }
    const std::uint32_t index = handshake.peer()->index;
    if (index >= static_cast<std::uint32_t>(rank()) || peers_[index]) {
      return base::PermissionDenied("it says that it is rank {}", index);
    }
    peers_[index] = std::move(peer);
    return absl::OkStatus();
  }

  absl::Status Meet(int rank, std::span<const float> outgoing, std::span<float> incoming,
                    Deadline deadline) {
    net::Channel& peer = *peers_[static_cast<std::size_t>(rank)];
    if (rank > options_.rank) {
      DIME_RETURN_IF_ERROR(Send(peer, outgoing, deadline));
      return Receive(peer, incoming, deadline);
    }
    DIME_RETURN_IF_ERROR(Receive(peer, incoming, deadline));
    return Send(peer, outgoing, deadline);
  }

  absl::Status Send(net::Channel& peer, std::span<const float> values, Deadline deadline) const {
    if (values.empty()) return absl::OkStatus();
    const iovec part = PartOf(values.data(), values.size_bytes());
    return peer.Send({.type = kValues, .request_id = number_}, {&part, 1}, deadline);
  }

  absl::Status Receive(net::Channel& peer, std::span<float> values, Deadline deadline) const {
    if (values.empty()) return absl::OkStatus();
    DIME_ASSIGN_OR_RETURN(const net::FrameHeader header, peer.ReceiveHeader(deadline));
    if (header.type != kValues || header.request_id != number_ ||
        header.payload_bytes != values.size_bytes()) {
      return base::DataLoss(
          "message {} of type {} and {} bytes came in place of {} of type {} and {}",
          header.request_id, header.type, header.payload_bytes, number_, kValues,
          values.size_bytes());
    }
    const iovec part = PartOf(values.data(), values.size_bytes());
    return peer.ReceivePayload({&part, 1}, deadline);
  }

  const SocketCollectiveOptions options_;
  std::vector<std::optional<net::Channel>> peers_;  // By rank; there is no own one.
  std::uint64_t number_ = 0;                        // Of the exchange.
  std::uint64_t num_strangers_ = 0;
  absl::Status failed_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;  // Closes all connections.
};

}  // namespace

absl::StatusOr<std::unique_ptr<Collective>> ConnectReplicas(
    std::span<net::Listener> listeners, const SocketCollectiveOptions& options) {
  auto collective = std::make_unique<SocketCollective>(options);
  DIME_RETURN_IF_ERROR(base::Annotate(collective->ConnectAll(listeners),
                                      "connecting the training replicas to each other"));
  return collective;
}

}  // namespace dime::worker
