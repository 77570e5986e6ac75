#include "worker/collective/socket_collective.h"

#include <poll.h>

#include <algorithm>
#include <functional>
#include <list>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/base/either_stop.h"
#include "runtime/base/log.h"
#include "runtime/net/channel.h"
#include "runtime/net/greeting.h"
#include "runtime/net/handshake.h"

namespace dime::worker {
namespace {

using net::Clock;
using net::Deadline;
using net::PartOf;

constexpr std::uint8_t kValues = 128;  // The one type of frame.
constexpr std::chrono::milliseconds kHandshakeTime{5000};
constexpr std::chrono::seconds kConnectTime{60};
constexpr std::chrono::milliseconds kTick{100};  // Between looks at the stop and at deadlines.
constexpr std::size_t kMostGuests = 64;          // Who comes then waits in the system's queue.

net::Channel ChannelTo(net::Socket socket, const net::Address& address) {
  return net::Channel(std::move(socket), fmt::format("over {}", address.ToString()));
}

class SocketCollective final : public Collective {
 public:
  explicit SocketCollective(const SocketCollectiveOptions& options)
      : options_(options), peers_(options.addresses.size()) {}

  absl::Status ConnectAll(std::span<net::Listener> listeners) {
    const Deadline deadline = Clock::now() + options_.connect_time;
    const base::EitherStop stop(options_.stop, options_.stop_connecting);
    DIME_RETURN_IF_ERROR(AcceptAll(listeners, deadline, stop.token()));
    for (int r = rank() + 1; r < size(); ++r) {
      // Who is connected to has been listening since before it joined: it is there, or never.
      const Deadline soon = std::min(deadline, Clock::now() + kConnectTime);
      DIME_RETURN_IF_ERROR(base::Annotate(Connect(r, soon, stop.token()), RankName(r)));
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
  absl::Status Connect(int rank, Deadline deadline, const std::stop_token& stop) {
    constexpr std::chrono::milliseconds kFirstPause{1};
    constexpr std::chrono::milliseconds kLongestPause{100};
    for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
      const absl::Status connected = TryToConnect(rank, deadline, stop);
      if (stop.stop_requested()) {
        return base::Cancelled("stopped while connecting: {}", base::MessageOf(connected));
      }
      if (!absl::IsUnavailable(connected) || Clock::now() + pause >= deadline) return connected;
      std::this_thread::sleep_for(pause);
    }
  }

  absl::Status TryToConnect(int rank, Deadline deadline, const std::stop_token& stop) {
    const auto at = static_cast<std::size_t>(rank);
    absl::Status last = base::InvalidArgument("it listens nowhere");
    for (const net::Address& address : options_.addresses[at]) {
      absl::StatusOr<net::Socket> socket = net::Socket::Connect(address, deadline, stop);
      if (!socket.ok()) {
        last = socket.status();
        continue;
      }
      net::Channel peer = ChannelTo(*std::move(socket), address);
      DIME_RETURN_IF_ERROR(net::Authenticate(peer, options_.credentials,
                                             {.index = static_cast<std::uint32_t>(options_.rank)},
                                             deadline, stop));
      peers_[at] = std::move(peer);
      return absl::OkStatus();
    }
    return last;
  }

  absl::Status AcceptAll(std::span<net::Listener> listeners, Deadline deadline,
                         const std::stop_token& stop) {
    std::list<Guest> guests;
    while (const std::optional<int> missing = FirstMissing()) {
      if (stop.stop_requested()) {
        return base::Cancelled("stopped while waiting for {}", RankName(*missing));
      }
      if (Clock::now() >= deadline) {
        return base::DeadlineExceeded("{} has waited {} ms for {}, which does not connect",
                                      RankName(rank()), options_.connect_time.count(),
                                      RankName(*missing));
      }
      std::vector<pollfd> ready;
      for (const Guest& guest : guests) {
        ready.push_back({guest.greeting.fd(), guest.greeting.events(), 0});
      }
      const short accepting = guests.size() < kMostGuests ? POLLIN : 0;
      for (const net::Listener& listener : listeners) {
        ready.push_back({listener.fd(), accepting, 0});
      }
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      if (poll(ready.data(), ready.size(), static_cast<int>(std::min(left, kTick).count())) < 0 &&
          errno != EINTR) {
        return base::ErrnoToStatus(errno, "cannot wait for replicas");
      }
      std::erase_if(guests, [&](Guest& guest) { return IsThrough(guest); });
      for (net::Listener& listener : listeners) {
        if (guests.size() >= kMostGuests) break;
        DIME_ASSIGN_OR_RETURN(net::Socket socket, listener.Accept());
        if (!socket.is_open()) continue;
        guests.emplace_back(std::move(socket), options_.credentials, listener.address());
      }
    }
    return absl::OkStatus();
  }

  // Whoever connects, until it is known who that is.
  struct Guest {
    Guest(net::Socket socket, const net::Credentials& credentials, const net::Address& where)
        : greeting(std::move(socket), credentials), address(where) {}
    net::Greeting greeting;
    net::Address address;  // Where it came.
    Deadline deadline = Clock::now() + kHandshakeTime;
  };

  // Goes on with the handshake; whether that is over, one way or the other.
  bool IsThrough(Guest& guest) {
    const absl::StatusOr<bool> is_over = guest.greeting.Advance();
    absl::Status status = is_over.status();
    if (is_over.ok() && *is_over) status = Welcome(guest);
    if (is_over.ok() && !*is_over) {
      if (Clock::now() < guest.deadline) return false;
      status =
          base::DeadlineExceeded("it did not end its handshake in {} ms", kHandshakeTime.count());
    }
    if (status.ok() || ++num_strangers_ > 1) return true;
    base::Log(base::Severity::kWarning, "a stranger connected, and more may, untold: over {}: {}",
              guest.address.ToString(), base::MessageOf(status));
    return true;
  }

  // Of those that connect here: the lower ones.
  [[nodiscard]] std::optional<int> FirstMissing() const {
    for (int r = 0; r < rank(); ++r) {
      if (!peers_[static_cast<std::size_t>(r)]) return r;
    }
    return std::nullopt;
  }

  absl::Status Welcome(Guest& guest) {
    const std::uint32_t index = guest.greeting.peer().index;
    if (index >= static_cast<std::uint32_t>(rank()) || peers_[index]) {
      return base::PermissionDenied("it says that it is rank {}", index);
    }
    peers_[index] = ChannelTo(guest.greeting.TakeSocket(), guest.address);
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
