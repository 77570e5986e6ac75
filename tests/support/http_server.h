// tests/support/http_server.h - an HTTP server on loopback that answers as a test tells it to, also
// badly.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace dime::testing {

struct HttpReply {
  int status = 200;
  std::string body = {};
  bool honours_range = true;
  std::size_t breaks_after = std::string::npos;  // Bytes of a body; the head promises all of it.
  bool is_silent = false;                        // Takes the request and never answers.
  std::string extra_header = {};
};

class HttpServer {
 public:
  HttpServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 16);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~HttpServer() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // What `path` gets from now on; a path without a reply gets 404.
  void SetReply(const std::string& path, HttpReply reply) {
    const std::lock_guard lock(mutex_);
    replies_[path] = std::move(reply);
  }

  // What was asked for: "/path", or "/path from 123" where a range was asked for.
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  [[nodiscard]] std::string Url(std::string_view path) const {
    return fmt::format("http://127.0.0.1:{}{}", port_, path);
  }

 private:
  void Serve() {
    while (!stopping_) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection == -1) continue;
      Answer(connection);
      ::close(connection);
    }
  }

  void Answer(int connection) {
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
      char buffer[1024];
      const ssize_t size = ::recv(connection, buffer, sizeof(buffer), 0);
      if (size <= 0) return;
      head.append(buffer, static_cast<std::size_t>(size));
    }
    const std::size_t path_start = head.find(' ') + 1;
    const std::string path = head.substr(path_start, head.find(' ', path_start) - path_start);
    const std::size_t start = RangeStart(head);
    const HttpReply reply = Find(path, start);
    if (reply.is_silent) {
      char ignored;
      ::recv(connection, &ignored, 1, 0);  // Returns when the client has given up.
      return;
    }
    Send(connection, Text(reply, start));
  }

  static std::size_t RangeStart(const std::string& head) {
    constexpr std::string_view kHeader = "Range: bytes=";
    std::size_t start = 0;
    if (const std::size_t at = head.find(kHeader); at != std::string::npos) {
      std::from_chars(head.data() + at + kHeader.size(), head.data() + head.size(), start);
    }
    return start;
  }

  HttpReply Find(const std::string& path, std::size_t start) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(start == 0 ? path : fmt::format("{} from {}", path, start));
    const auto found = replies_.find(path);
    return found == replies_.end() ? HttpReply{.status = 404, .body = "not here"} : found->second;
  }

  static std::string Text(const HttpReply& reply, std::size_t start) {
    const std::size_t size = reply.body.size();
    const bool is_range = start > 0 && reply.honours_range && reply.status == 200;
    if (is_range && start >= size) {
      return fmt::format("HTTP/1.1 416 x\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n",
                         size);
    }
    const std::string body = is_range ? reply.body.substr(start) : reply.body;
    std::string text = fmt::format("HTTP/1.1 {} x\r\nContent-Length: {}\r\nConnection: close\r\n{}",
                                   is_range ? 206 : reply.status, body.size(), reply.extra_header);
    if (is_range && reply.extra_header.empty()) {
      text += fmt::format("Content-Range: bytes {}-{}/{}\r\n", start, size - 1, size);
    }
    return text + "\r\n" + body.substr(0, std::min(reply.breaks_after, body.size()));
  }

  static void Send(int connection, std::string_view text) {
    while (!text.empty()) {
      const ssize_t size = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
      if (size <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(size));
    }
  }

  int listener_;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::map<std::string, HttpReply> replies_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace dime::testing
