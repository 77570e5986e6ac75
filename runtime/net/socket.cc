#include "runtime/net/socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

#include "runtime/base/spin.h"

namespace dime::net {
namespace {

constexpr int kBacklog = 128;
constexpr int kBufferBytes = 1 << 20;
constexpr std::chrono::microseconds kPatience{50};
constexpr std::chrono::milliseconds kBetweenLooksForStop{100};

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, FreeAddresses>;

absl::StatusOr<AddressList> Resolve(const Address& address, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
  if (error != 0) {
    return base::Unavailable("{}: no such host: {}", address.ToString(), gai_strerror(error));
  }
  return AddressList(list);
}

struct UnixName {
  sockaddr_un name{};
  socklen_t size = sizeof(name);

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

absl::StatusOr<UnixName> UnixNameOf(const Address& address) {
  const std::string& path = address.host;
  UnixName unix_name;
  sockaddr_un& name = unix_name.name;
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof(name.sun_path)) {
    return base::InvalidArgument("the socket's path {} is too long; {} bytes are allowed", path,
                                 sizeof(name.sun_path) - 1);
  }
  std::memcpy(name.sun_path, path.data(), path.size());
  if (address.IsAbstract()) {
    name.sun_path[0] = '\0';
    unix_name.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  }
  return unix_name;
}

void SetOption(int fd, int level, int option, int value) {
  // Best effort: none of them changes what is sent.
  (void)setsockopt(fd, level, option, &value, sizeof(value));
}

// A dead peer is to be noticed within seconds, not after the system's quarter of an hour.
void Tune(int fd, Address::Kind kind) {
  SetOption(fd, SOL_SOCKET, SO_SNDBUF, kBufferBytes);
  SetOption(fd, SOL_SOCKET, SO_RCVBUF, kBufferBytes);
  if (kind == Address::Kind::kUnix) return;
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);  // [ms]
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, 2);  // [s]
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

absl::StatusOr<Socket> NewSocket(int family) {
  Socket socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return base::ErrnoToStatus(errno, "cannot make a socket");
  return socket;
}

absl::Status AwaitConnected(const Socket& socket, Deadline deadline, const std::stop_token& stop) {
  while (true) {
    if (stop.stop_requested()) return base::Cancelled("stopped before the peer answered");
    const Deadline soon = Clock::now() + kBetweenLooksForStop;
    const absl::Status ready = socket.AwaitWritable(std::min(deadline, soon));
    if (!absl::IsDeadlineExceeded(ready) || soon >= deadline) return ready;
  }
}

absl::Status ConnectTo(Socket& socket, const sockaddr* name, socklen_t size, Deadline deadline,
                       const std::stop_token& stop) {
  if (connect(socket.fd(), name, size) == 0) return absl::OkStatus();
  if (errno != EINPROGRESS && errno != EINTR) {
    return base::Unavailable("{}", std::strerror(errno));
  }
  DIME_RETURN_IF_ERROR(AwaitConnected(socket, deadline, stop));
  int error = 0;
  socklen_t error_size = sizeof(error);
  getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &error_size);
  return error == 0 ? absl::OkStatus() : base::Unavailable("{}", std::strerror(error));
}

// A count of moved bytes, or what went wrong.
absl::StatusOr<std::size_t> Moved(ssize_t count) {
  if (count >= 0) return static_cast<std::size_t>(count);
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return std::size_t{0};
  return base::Unavailable("the connection broke: {}", std::strerror(errno));
}

msghdr MessageOf(std::span<const iovec> parts) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = std::min<std::size_t>(parts.size(), IOV_MAX);
  return message;
}

absl::Status Await(int fd, short events, Deadline deadline) {
  pollfd wanted = {.fd = fd, .events = events, .revents = 0};
  const auto is_ready = [&] { return poll(&wanted, 1, 0) != 0; };
  if (base::SpinUntil(is_ready, kPatience)) return absl::OkStatus();
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return base::DeadlineExceeded("the time is over");
    const int ready =
        poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 1000)));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return base::ErrnoToStatus(errno, "poll");
  }
}

// Makes a socket that listens on one of the addresses that a name has.
absl::StatusOr<Socket> ListenOnAny(const addrinfo* list) {
  int error = EADDRNOTAVAIL;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    absl::StatusOr<Socket> socket = NewSocket(entry->ai_family);
    if (!socket.ok()) return socket;
    SetOption(socket->fd(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(socket->fd(), entry->ai_addr, entry->ai_addrlen) == 0 &&
        listen(socket->fd(), kBacklog) == 0) {
      return socket;
    }
    if (error == EADDRNOTAVAIL) error = errno;
  }
  if (error == EADDRNOTAVAIL) {
    return base::FailedPrecondition("the host is known, but it is no address of this machine");
  }
  return base::ErrnoToStatus(error, "bind");
}

Address BoundAddress(int fd, const Address& asked) {
  Address address = asked;
  sockaddr_storage name{};
  socklen_t size = sizeof(name);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return address;
  if (name.ss_family == AF_INET) {
    address.port = ntohs(reinterpret_cast<const sockaddr_in*>(&name)->sin_port);
  } else if (name.ss_family == AF_INET6) {
    address.port = ntohs(reinterpret_cast<const sockaddr_in6*>(&name)->sin6_port);
  }
  return address;
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<Socket> Socket::Connect(const Address& address, Deadline deadline,
                                       const std::stop_token& stop) {
  const auto annotated = [&](const absl::Status& status) {
    return base::Annotate(status, fmt::format("cannot connect to {}", address.ToString()));
  };
  if (address.kind == Address::Kind::kUnix) {
    DIME_ASSIGN_OR_RETURN(Socket socket, NewSocket(AF_UNIX));
    Tune(socket.fd(), address.kind);
    DIME_ASSIGN_OR_RETURN(const UnixName name, UnixNameOf(address));
    const absl::Status connected = ConnectTo(socket, name.get(), name.size, deadline, stop);
    if (!connected.ok()) return annotated(connected);
    return socket;
  }
  DIME_ASSIGN_OR_RETURN(const AddressList list, Resolve(address, 0));
  absl::Status last = base::Unavailable("the host has no address");
  for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
    DIME_ASSIGN_OR_RETURN(Socket socket, NewSocket(entry->ai_family));
    Tune(socket.fd(), address.kind);
    last = ConnectTo(socket, entry->ai_addr, entry->ai_addrlen, deadline, stop);
    if (last.ok()) return socket;
    if (stop.stop_requested()) break;
  }
  return annotated(last);
}

absl::StatusOr<Socket> Socket::Duplicate() const {
  Socket twin(fcntl(fd_, F_DUPFD_CLOEXEC, 0));
  if (!twin.is_open()) return base::ErrnoToStatus(errno, "cannot duplicate a socket");
  twin.tls_ = tls_;
  return twin;
}

void Socket::Shutdown() const { (void)shutdown(fd_, SHUT_RDWR); }

std::string Socket::LocalHost() const {
  sockaddr_storage name{};
  socklen_t size = sizeof(name);
  char host[NI_MAXHOST] = "";
  auto* const address = reinterpret_cast<sockaddr*>(&name);
  if (getsockname(fd_, address, &size) != 0 || name.ss_family == AF_UNIX) return "";
  if (getnameinfo(address, size, host, sizeof(host), nullptr, 0, NI_NUMERICHOST) != 0) return "";
  return host;
}

bool Socket::IsWithinHost() const {
  sockaddr_storage here{};
  sockaddr_storage there{};
  socklen_t here_size = sizeof(here);
  socklen_t there_size = sizeof(there);
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&here), &here_size) != 0) return false;
  if (here.ss_family == AF_UNIX) return true;
  if (getpeername(fd_, reinterpret_cast<sockaddr*>(&there), &there_size) != 0) return false;
  if (here.ss_family != there.ss_family) return false;
  if (here.ss_family == AF_INET) {
    return reinterpret_cast<const sockaddr_in&>(here).sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in&>(there).sin_addr.s_addr;
  }
  return IN6_ARE_ADDR_EQUAL(&reinterpret_cast<const sockaddr_in6&>(here).sin6_addr,
                            &reinterpret_cast<const sockaddr_in6&>(there).sin6_addr);
}

bool Socket::IsUnix() const {
  sockaddr_storage here{};
  socklen_t size = sizeof(here);
  return getsockname(fd_, reinterpret_cast<sockaddr*>(&here), &size) == 0 &&
         here.ss_family == AF_UNIX;
}

absl::StatusOr<std::size_t> Socket::Send(std::span<const iovec> parts) {
  if (tls_ != nullptr) return tls_->Send(fd_, parts);
  const msghdr message = MessageOf(parts);
  return Moved(sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

absl::StatusOr<std::size_t> Socket::Receive(std::span<const iovec> parts) {
  if (tls_ != nullptr) return tls_->Receive(fd_, parts);
  msghdr message = MessageOf(parts);
  const ssize_t count = recvmsg(fd_, &message, MSG_DONTWAIT);
  if (count == 0) return base::Unavailable("the peer closed the connection");
  return Moved(count);
}

absl::Status Socket::AwaitReadable(Deadline deadline) const { return Await(fd_, POLLIN, deadline); }
absl::Status Socket::AwaitWritable(Deadline deadline) const {
  return Await(fd_, POLLOUT, deadline);
}

absl::StatusOr<Listener> Listener::Open(const Address& address) {
  const auto failed = [&](int error_number) {
    return base::ErrnoToStatus(error_number,
                               fmt::format("cannot listen on {}", address.ToString()));
  };
  if (address.kind == Address::Kind::kUnix) {
    DIME_ASSIGN_OR_RETURN(Socket socket, NewSocket(AF_UNIX));
    DIME_ASSIGN_OR_RETURN(const UnixName name, UnixNameOf(address));
    if (bind(socket.fd(), name.get(), name.size) != 0) return failed(errno);
    Listener listener(std::move(socket), address);
    if (!address.IsAbstract() && chmod(address.host.c_str(), S_IRUSR | S_IWUSR) != 0) {
      return failed(errno);
    }
    if (listen(listener.fd(), kBacklog) != 0) return failed(errno);
    return listener;
  }
  DIME_ASSIGN_OR_RETURN(const AddressList list, Resolve(address, AI_PASSIVE));
  absl::StatusOr<Socket> socket = ListenOnAny(list.get());
  if (!socket.ok()) {
    return base::Annotate(socket.status(), fmt::format("cannot listen on {}", address.ToString()));
  }
  Address bound = BoundAddress(socket->fd(), address);
  return Listener(*std::move(socket), std::move(bound));
}

Listener::~Listener() {
  if (!socket_.is_open() || address_.kind != Address::Kind::kUnix || address_.IsAbstract()) return;
  unlink(address_.host.c_str());
}

absl::StatusOr<Socket> Listener::Accept() {
  Socket socket(accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket.is_open()) {
    Tune(socket.fd(), address_.kind);
    return socket;
  }
  switch (errno) {
    case EAGAIN:
    case EINTR:
    case ECONNABORTED:
      return socket;
    default:
      return base::ErrnoToStatus(errno, fmt::format("cannot accept on {}", address_.ToString()));
  }
}

}  // namespace dime::net
