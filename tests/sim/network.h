// tests/sim/network.h - the network of a simulated world, as sockets see it: streams that carry
// bytes late, in pieces, up to a point, or not at all.
//
// Descriptors are numbers from kFirstDescriptor on. Calls are those of the system: -1 and errno.
// Like TCP with dime's settings: what a peer does not take within five seconds breaks a connection.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/world.h"

namespace dime::sim {

inline constexpr int kFirstDescriptor = 1 << 20;

struct Endpoint {
  std::uint32_t host = 0;
  std::uint16_t port = 0;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// What a descriptor stands for. Its address is the key that who waits for it waits for.
struct Description {
  virtual ~Description() = default;
  [[nodiscard]] virtual short Ready() const = 0;  // As poll() says it.
};

struct EventCounter final : Description {
  [[nodiscard]] short Ready() const override {
    return static_cast<short>(POLLOUT | (count > 0 ? POLLIN : 0));
  }
  std::uint64_t count = 0;
};

struct Stream final : Description {
  [[nodiscard]] short Ready() const override;
  [[nodiscard]] std::size_t Room() const;  // For bytes to the peer.

  enum class State { kFresh, kListening, kConnecting, kConnected };
  State state = State::kFresh;
  Endpoint local;
  Endpoint remote;
  std::weak_ptr<Stream> peer;
  std::deque<std::byte> received;
  std::size_t num_in_flight = 0;  // Bytes on their way to here.
  Time last_arrival = 0;          // Of what is on its way to here.
  std::size_t window = 0;
  int error = 0;                                // What the next call says.
  bool is_broken = false;                       // No byte moves any more.
  bool has_ended = false;                       // The peer sends no more, and all has come.
  bool is_shut = false;                         // This end sends and wants no more.
  std::deque<std::shared_ptr<Stream>> backlog;  // Of a listener.
};

class Network {
 public:
  explicit Network(World& world) : world_(world) {}

  int Socket();
  int Events();
  int Bind(int fd, const sockaddr* name, socklen_t size);
  int Listen(int fd);
  int Connect(int fd, const sockaddr* name, socklen_t size);
  int Accept(int fd);
  ssize_t Send(int fd, std::span<const iovec> parts);
  ssize_t Receive(int fd, std::span<const iovec> parts);
  int Poll(std::span<pollfd> wanted, int timeout_ms);
  int Shutdown(int fd);
  int Name(int fd, bool of_peer, sockaddr* name, socklen_t* size);
  int TakeError(int fd);
  int Duplicate(int fd);
  int Close(int fd);
  ssize_t ReadCounter(int fd, void* to, std::size_t size);
  ssize_t AddToCounter(int fd, const void* from, std::size_t size);

  // The process is gone: peers notice.
  void CloseAllOf(const Process& process);
  // Nothing goes between two hosts for a while.
  void Part(std::uint32_t one, std::uint32_t other, Time duration);

 private:
  struct Entry {
    std::shared_ptr<Description> description;
    const Process* owner = nullptr;
  };

  int Add(std::shared_ptr<Description> description);
  template <typename T>
  std::shared_ptr<T> Find(int fd);
  void TryToConnect(const std::weak_ptr<Stream>& from, bool is_first);
  [[nodiscard]] Time Delay();
  // When something that is sent now arrives; never before what was sent before it.
  Time ArrivalAt(Stream& to, std::uint32_t from_host);
  [[nodiscard]] Time HealedAt(std::uint32_t one, std::uint32_t other) const;
  void Deliver(Stream& from, std::span<const std::byte> bytes);
  void EndStream(Stream& from);
  void Break(const std::shared_ptr<Stream>& stream, int error);
  void Reset(Stream& stream);
  void LetGo(const std::shared_ptr<Description>& description);

  World& world_;
  std::map<int, Entry> entries_;
  int next_fd_ = kFirstDescriptor;
  std::uint16_t next_port_ = 10'000;
  std::map<Endpoint, std::weak_ptr<Stream>> listeners_;
  std::vector<std::weak_ptr<Stream>> streams_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, Time> parted_until_;
};

}  // namespace dime::sim
