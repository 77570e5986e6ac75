#include "runtime/net/address.h"

#include <sys/un.h>

#include <charconv>

namespace dime::net {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::size_t kMaxHostBytes = 255;

absl::StatusOr<Address> ParseUnix(std::string_view text) {
  const std::string_view path = text.substr(kUnixPrefix.size());
  if (path.empty() || path.front() != '/') {
    return base::InvalidArgument("'{}' is no address: a Unix socket needs an absolute path", text);
  }
  if (path.size() >= sizeof(sockaddr_un::sun_path) || path.find('\0') != path.npos) {
    return base::InvalidArgument("'{}' is no address: a Unix socket's path has at most {} bytes",
                                 text, sizeof(sockaddr_un::sun_path) - 1);
  }
  return Address{.kind = Address::Kind::kUnix, .host = std::string(path), .port = 0};
}

}  // namespace

std::string Address::ToString() const {
  if (kind == Kind::kUnix) return fmt::format("{}{}", kUnixPrefix, host);
  return host.find(':') == host.npos ? fmt::format("{}:{}", host, port)
                                     : fmt::format("[{}]:{}", host, port);
}

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  if (text.starts_with(kUnixPrefix)) return ParseUnix(text);
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) {
    return base::InvalidArgument("'{}' is no address; write HOST:PORT or unix:/PATH", text);
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != host.npos) {
    return base::InvalidArgument("'{}' is no address; write an IPv6 host in brackets: [{}]:{}",
                                 text, host, port_text);
  }
  constexpr std::string_view kNotInHosts(" \t\r\n/\0", 6);
  if (host.empty() || host.size() > kMaxHostBytes || host.find_first_of(kNotInHosts) != host.npos) {
    return base::InvalidArgument("'{}' is no address: '{}' is no host", text, host);
  }
  Address address{.kind = Address::Kind::kTcp, .host = std::string(host), .port = 0};
  const char* const end = port_text.data() + port_text.size();
  const auto [stop, error] = std::from_chars(port_text.data(), end, address.port);
  if (error != std::errc() || stop != end) {
    return base::InvalidArgument("'{}' is no address: '{}' is no port (0 to 65535)", text,
                                 port_text);
  }
  return address;
}

}  // namespace dime::net
