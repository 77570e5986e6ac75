// runtime/net/address.h - where a replica listens: a TCP host and port, or a Unix socket's path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace dime::net {

struct Address {
  enum class Kind { kTcp, kUnix };

  Kind kind = Kind::kTcp;
  // kTcp: a name or a number. kUnix: the path; "@name" has no file, and goes with its process.
  std::string host;
  std::uint16_t port = 0;  // kTcp. 0, to listen: any free one.

  // "host:port", "[::1]:port", "unix:/path" or "unix:@name".
  [[nodiscard]] std::string ToString() const;
  // A Unix socket without a file.
  [[nodiscard]] bool IsAbstract() const { return kind == Kind::kUnix && host.starts_with('@'); }
  friend bool operator==(const Address&, const Address&) = default;
};

// kInvalidArgument names the text and what is wrong with it.
absl::StatusOr<Address> ParseAddress(std::string_view text);

}  // namespace dime::net
