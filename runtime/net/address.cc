#include "runtime/net/address.h"

#include <sys/un.h>

#include <algorithm>
#include <charconv>

#include "runtime/base/text.h"

namespace dime::net {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035.

bool IsHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}
bool IsIpv6Character(char c) {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.' || c == '%';
}

absl::StatusOr<Address> ParseUnix(std::string_view text) {
  const std::string_view path = text.substr(kUnixPrefix.size());
  const bool is_name = path.starts_with('@') && path.size() > 1;
  if (!path.starts_with('/') && !is_name) {
    return base::InvalidArgument(
        "{} is no address: a Unix socket needs an absolute path, or a name after an @",
        base::Quoted(text));
  }
  if (path.size() >= sizeof(sockaddr_un::sun_path) || path.find('\0') != path.npos) {
    return base::InvalidArgument("{} is no address: a Unix socket's path has at most {} bytes",
                                 base::Quoted(text), sizeof(sockaddr_un::sun_path) - 1);
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
    return base::InvalidArgument("{} is no address; write HOST:PORT or unix:/PATH",
                                 base::Quoted(text));
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  const bool is_bracketed = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
  if (is_bracketed) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != host.npos) {
    return base::InvalidArgument("{} is no address; write an IPv6 host in brackets: [HOST]:PORT",
                                 base::Quoted(text));
  }
  if (host.empty() || host.size() > kMaxHostBytes ||
      !std::ranges::all_of(host, is_bracketed ? IsIpv6Character : IsHostCharacter)) {
    return base::InvalidArgument(
        "{} is no address: the host is to be a name, an IPv4 address or an IPv6 address in []",
        base::Quoted(text));
  }
  Address address{.kind = Address::Kind::kTcp, .host = std::string(host), .port = 0};
  const char* const end = port_text.data() + port_text.size();
  const auto [stop, error] = std::from_chars(port_text.data(), end, address.port);
  if (error != std::errc() || stop != end) {
    return base::InvalidArgument("{} is no address: {} is no port (0 to 65535)", base::Quoted(text),
                                 base::Quoted(port_text));
  }
  return address;
}

}  // namespace dime::net
