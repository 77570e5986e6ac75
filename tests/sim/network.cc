#include "tests/sim/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/base/check.h"

namespace dime::sim {
namespace {

constexpr std::size_t kMostWaiting = 128;   // To be accepted.
constexpr Time kUserTimeout = 5 * kSecond;  // As runtime/net sets it.
constexpr Time kRetransmission = kSecond;   // Of an attempt to connect.

int Failed(int error) {
  errno = error;
  return -1;
}

Endpoint EndpointOf(const sockaddr* name) {
  sockaddr_in address;
  std::memcpy(&address, name, sizeof(address));
  DIME_CHECK(address.sin_family == AF_INET);
  return {.host = ntohl(address.sin_addr.s_addr) & 0xff, .port = ntohs(address.sin_port)};
}

std::pair<std::uint32_t, std::uint32_t> PairOf(std::uint32_t one, std::uint32_t other) {
  return std::minmax(one, other);
}

}  // namespace

short Stream::Ready() const {
  switch (state) {
    case State::kFresh:
      return POLLOUT | POLLHUP;
    case State::kListening:
      return backlog.empty() ? 0 : POLLIN;
    case State::kConnecting:
      return static_cast<short>(error != 0 ? POLLOUT | POLLERR | POLLHUP : 0);
    case State::kConnected:
      break;
  }
  int events = 0;
  if (!received.empty() || has_ended || is_broken || is_shut) events |= POLLIN;
  if (is_broken) events |= POLLERR | POLLHUP | POLLOUT;
  if (has_ended && is_shut) events |= POLLHUP;
  if (is_shut || Room() > 0) events |= POLLOUT;
  return static_cast<short>(events);
}

std::size_t Stream::Room() const {
  const std::shared_ptr<Stream> to = peer.lock();
  if (to == nullptr) return window;  // The next send finds out.
  const std::size_t used = to->num_in_flight + to->received.size();
  return used >= window ? 0 : window - used;
}

template <typename T>
std::shared_ptr<T> Network::Find(int fd) {
  const auto found = entries_.find(fd);
  if (found == entries_.end()) return nullptr;
  return std::dynamic_pointer_cast<T>(found->second.description);
}

int Network::Add(std::shared_ptr<Description> description) {
  entries_[next_fd_] = {std::move(description), &World::fiber()->process};
  return next_fd_++;
}

int Network::Socket() {
  auto stream = std::make_shared<Stream>();
  stream->local.host = World::fiber()->process.host;
  stream->window = static_cast<std::size_t>(world_.faults().window_bytes);
  return Add(std::move(stream));
}

int Network::Events() { return Add(std::make_shared<EventCounter>()); }

int Network::Bind(int fd, const sockaddr* name, socklen_t) {
  const auto stream = Find<Stream>(fd);
  if (stream == nullptr) return Failed(EBADF);
  Endpoint asked = EndpointOf(name);
  if (asked.host != stream->local.host) return Failed(EADDRNOTAVAIL);
  if (asked.port == 0) asked.port = next_port_++;
  const auto taken = listeners_.find(asked);
  if (taken != listeners_.end() && !taken->second.expired()) return Failed(EADDRINUSE);
  stream->local = asked;
  return 0;
}

int Network::Listen(int fd) {
  const auto stream = Find<Stream>(fd);
  if (stream == nullptr) return Failed(EBADF);
  stream->state = Stream::State::kListening;
  listeners_[stream->local] = stream;
  return 0;
}

int Network::Connect(int fd, const sockaddr* name, socklen_t) {
  const auto stream = Find<Stream>(fd);
  if (stream == nullptr) return Failed(EBADF);
  stream->state = Stream::State::kConnecting;
  stream->remote = EndpointOf(name);
  stream->local.port = next_port_++;
  world_.Note("connect to", stream->remote.host, stream->remote.port);
  const Time arrival = ArrivalAt(*stream, stream->remote.host);
  world_.At(arrival, [this, from = std::weak_ptr(stream)] { TryToConnect(from, true); });
  return Failed(EINPROGRESS);
}

void Network::TryToConnect(const std::weak_ptr<Stream>& from, bool is_first) {
  const std::shared_ptr<Stream> stream = from.lock();
  if (stream == nullptr || stream->state != Stream::State::kConnecting) return;
  const auto refuse = [&](int error) {
    stream->error = error;
    world_.WakeAll(stream.get());
  };
  if (is_first && world_.dice().Chance(world_.faults().refused)) {
    world_.NoteFault("refused", stream->remote.host);
    return refuse(ECONNREFUSED);
  }
  const auto found = listeners_.find(stream->remote);
  const std::shared_ptr<Stream> listener =
      found == listeners_.end() ? nullptr : found->second.lock();
  if (listener == nullptr) return refuse(ECONNREFUSED);
  if (listener->backlog.size() >= kMostWaiting) {
    world_.At(world_.now() + kRetransmission, [this, from] { TryToConnect(from, false); });
    return;
  }
  auto accepted = std::make_shared<Stream>();
  accepted->state = stream->state = Stream::State::kConnected;
  accepted->local = stream->remote;
  accepted->remote = stream->local;
  accepted->window = stream->window;
  accepted->peer = stream;
  stream->peer = accepted;
  streams_.push_back(stream);
  streams_.push_back(accepted);
  listener->backlog.push_back(std::move(accepted));
  world_.WakeAll(listener.get());
  world_.WakeAll(stream.get());
}

int Network::Accept(int fd) {
  const auto listener = Find<Stream>(fd);
  if (listener == nullptr) return Failed(EBADF);
  if (listener->backlog.empty()) return Failed(EAGAIN);
  const int accepted = Add(listener->backlog.front());
  listener->backlog.pop_front();
  return accepted;
}

Time Network::Delay() {
  Dice& dice = world_.dice();
  if (dice.Chance(world_.faults().slow_packet)) {
    return static_cast<Time>(dice.LogBetween(1e6, 1e9));
  }
  return static_cast<Time>(dice.LogBetween(5e3, world_.faults().usual_delay));
}

Time Network::HealedAt(std::uint32_t one, std::uint32_t other) const {
  const auto found = parted_until_.find(PairOf(one, other));
  return found == parted_until_.end() ? 0 : found->second;
}

Time Network::ArrivalAt(Stream& to, std::uint32_t from_host) {
  const Time leaves = std::max(world_.now(), HealedAt(to.local.host, from_host));
  to.last_arrival = std::max(to.last_arrival, leaves + Delay());
  return to.last_arrival;
}

ssize_t Network::Send(int fd, std::span<const iovec> parts) {
  const auto stream = Find<Stream>(fd);
  if (stream == nullptr) return Failed(EBADF);
  if (stream->is_broken) return Failed(std::exchange(stream->error, 0) == 0 ? EPIPE : ECONNRESET);
  if (stream->is_shut || stream->state != Stream::State::kConnected) return Failed(EPIPE);
  Dice& dice = world_.dice();
  const Faults& faults = world_.faults();
  if (dice.Chance(faults.interrupted)) return Failed(EINTR);
  std::size_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  std::size_t count = std::min(size, stream->Room());
  if (count == 0) return Failed(EAGAIN);
  if (dice.Chance(faults.short_transfer)) count = 1 + dice.Below(count);
  std::vector<std::byte> bytes;
  for (const iovec& part : parts) {
    const auto* const first = static_cast<const std::byte*>(part.iov_base);
    bytes.insert(bytes.end(), first, first + std::min(part.iov_len, count - bytes.size()));
  }
  world_.Note("send", fd - kFirstDescriptor, static_cast<std::int64_t>(count));
  if (dice.Chance(faults.reset)) {
    const std::size_t arriving = dice.Below(count + 1);
    world_.NoteFault("reset after", fd - kFirstDescriptor, static_cast<std::int64_t>(arriving));
    Deliver(*stream, std::span(bytes).first(arriving));
    Reset(*stream);
  } else {
    Deliver(*stream, bytes);
  }
  return static_cast<ssize_t>(count);
}

void Network::Deliver(Stream& from, std::span<const std::byte> bytes) {
  const std::shared_ptr<Stream> to = from.peer.lock();
  if (to == nullptr) return Reset(from);
  to->num_in_flight += bytes.size();
  world_.At(ArrivalAt(*to, from.local.host),
            [this, to, sent = std::vector(bytes.begin(), bytes.end())] {
              to->num_in_flight -= sent.size();
              if (to->is_broken) return;
              if (to->is_shut) return Reset(*to);  // Nobody reads it.
              to->received.insert(to->received.end(), sent.begin(), sent.end());
              world_.WakeAll(to.get());
            });
}

// Both ends find out, each after a while.
void Network::Reset(Stream& stream) {
  const std::shared_ptr<Stream> other = stream.peer.lock();
  if (other == nullptr) {
    stream.is_broken = true;
    stream.error = ECONNRESET;
    return world_.WakeAll(&stream);
  }
  const std::shared_ptr<Stream> self = other->peer.lock();
  world_.At(ArrivalAt(*other, stream.local.host), [this, other] { Break(other, ECONNRESET); });
  if (self == nullptr) return;
  world_.At(ArrivalAt(*self, other->local.host), [this, self] { Break(self, ECONNRESET); });
}

void Network::Break(const std::shared_ptr<Stream>& stream, int error) {
  if (std::exchange(stream->is_broken, true)) return;
  stream->error = error;
  world_.WakeAll(stream.get());
}

ssize_t Network::Receive(int fd, std::span<const iovec> parts) {
  const auto stream = Find<Stream>(fd);
  if (stream == nullptr) return Failed(EBADF);
  Dice& dice = world_.dice();
  const Faults& faults = world_.faults();
  if (dice.Chance(faults.interrupted)) return Failed(EAGAIN);
  if (stream->received.empty() || stream->is_shut) {
    if (stream->has_ended || stream->is_shut) return 0;
    if (!stream->is_broken) return Failed(EAGAIN);
    return std::exchange(stream->error, 0) == 0 ? 0 : Failed(ECONNRESET);
  }
  std::size_t left = stream->received.size();
  if (dice.Chance(faults.short_transfer)) left = 1 + dice.Below(left);
  std::size_t moved = 0;
  for (const iovec& part : parts) {
    const std::size_t count = std::min(part.iov_len, left - moved);
    const auto first = stream->received.begin();
    std::copy_n(first, count, static_cast<std::byte*>(part.iov_base));
    stream->received.erase(first, first + static_cast<std::ptrdiff_t>(count));
    moved += count;
  }
  world_.Note("receive", fd - kFirstDescriptor, static_cast<std::int64_t>(moved));
  if (const auto peer = stream->peer.lock()) world_.WakeAll(peer.get());
  return static_cast<ssize_t>(moved);
}

int Network::Poll(std::span<pollfd> wanted, int timeout_ms) {
  const Time deadline = timeout_ms < 0 ? kNever : world_.now() + Time{timeout_ms} * kMillisecond;
  while (true) {
    int ready = 0;
    std::vector<const void*> keys;
    std::vector<std::shared_ptr<Description>> kept;  // Others may close them meanwhile.
    for (pollfd& one : wanted) {
      const auto found = entries_.find(one.fd);
      one.revents = POLLNVAL;
      if (found != entries_.end()) {
        const Description& description = *found->second.description;
        one.revents = static_cast<short>(description.Ready() & (one.events | POLLERR | POLLHUP));
        keys.push_back(&description);
        kept.push_back(found->second.description);
      }
      if (one.revents != 0) ++ready;
    }
    if (ready > 0 || timeout_ms == 0) return ready;
    if (world_.dice().Chance(world_.faults().interrupted)) return Failed(EINTR);
    if (!world_.Wait("its connections", keys, deadline)) timeout_ms = 0;
  }
}

int Network::Shutdown(int fd) {
  const auto stream = Find<Stream>(fd);
  if (stream == nullptr) return Failed(EBADF);
  EndStream(*stream);
  world_.WakeAll(stream.get());
  return 0;
}

void Network::EndStream(Stream& from) {
  if (std::exchange(from.is_shut, true) || from.state != Stream::State::kConnected) return;
  const std::shared_ptr<Stream> to = from.peer.lock();
  if (to == nullptr || from.is_broken) return;
  // What was never read makes an end a reset.
  if (!from.received.empty()) return Reset(from);
  world_.At(ArrivalAt(*to, from.local.host), [this, to] {
    to->has_ended = true;
    world_.WakeAll(to.get());
  });
}

int Network::Name(int fd, bool of_peer, sockaddr* name, socklen_t* size) {
  const auto stream = Find<Stream>(fd);
  if (stream == nullptr) return Failed(EBADF);
  if (of_peer && stream->state != Stream::State::kConnected) return Failed(ENOTCONN);
  const Endpoint& endpoint = of_peer ? stream->remote : stream->local;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  address.sin_addr.s_addr = htonl(0x0a000000u | endpoint.host);
  std::memcpy(name, &address, std::min<std::size_t>(*size, sizeof(address)));
  *size = sizeof(address);
  return 0;
}

int Network::TakeError(int fd) {
  const auto stream = Find<Stream>(fd);
  return stream == nullptr ? EBADF : std::exchange(stream->error, 0);
}

int Network::Duplicate(int fd) {
  const auto found = entries_.find(fd);
  if (found == entries_.end()) return Failed(EBADF);
  return Add(found->second.description);
}

int Network::Close(int fd) {
  const auto found = entries_.find(fd);
  if (found == entries_.end()) return Failed(EBADF);
  const std::shared_ptr<Description> description = std::move(found->second.description);
  entries_.erase(found);
  LetGo(description);
  return 0;
}

void Network::LetGo(const std::shared_ptr<Description>& description) {
  const bool is_used = std::ranges::any_of(
      entries_, [&](const auto& entry) { return entry.second.description == description; });
  const auto stream = std::dynamic_pointer_cast<Stream>(description);
  if (is_used || stream == nullptr) return;
  for (const std::shared_ptr<Stream>& waiting : std::exchange(stream->backlog, {})) {
    waiting->is_shut = true;
    Reset(*waiting);
  }
  if (stream->state == Stream::State::kListening) listeners_.erase(stream->local);
  EndStream(*stream);
}

ssize_t Network::ReadCounter(int fd, void* to, std::size_t size) {
  const auto counter = Find<EventCounter>(fd);
  if (counter == nullptr || size < sizeof(counter->count)) return Failed(EINVAL);
  if (counter->count == 0) return Failed(EAGAIN);
  std::memcpy(to, &counter->count, sizeof(counter->count));
  counter->count = 0;
  return sizeof(counter->count);
}

ssize_t Network::AddToCounter(int fd, const void* from, std::size_t size) {
  const auto counter = Find<EventCounter>(fd);
  std::uint64_t count = 0;
  if (counter == nullptr || size < sizeof(count)) return Failed(EINVAL);
  std::memcpy(&count, from, sizeof(count));
  counter->count += count;
  world_.WakeAll(counter.get());
  return sizeof(count);
}

void Network::CloseAllOf(const Process& process) {
  std::vector<int> fds;
  for (const auto& [fd, entry] : entries_) {
    if (entry.owner == &process) fds.push_back(fd);
  }
  for (const int fd : fds) Close(fd);
}

void Network::Part(std::uint32_t one, std::uint32_t other, Time duration) {
  if (one == other) return;
  world_.NoteFault("partition", one, other);
  Time& until = parted_until_[PairOf(one, other)];
  until = std::max(until, world_.now() + duration);
  if (duration < kUserTimeout) return;
  world_.At(world_.now() + kUserTimeout, [this, one, other] {
    for (const std::weak_ptr<Stream>& weak : streams_) {
      const std::shared_ptr<Stream> stream = weak.lock();
      if (stream == nullptr) continue;
      if (PairOf(stream->local.host, stream->remote.host) == PairOf(one, other)) {
        Break(stream, ETIMEDOUT);
      }
    }
  });
}

}  // namespace dime::sim
