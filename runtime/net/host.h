// runtime/net/host.h - this host, as others see it.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace dime::net {

// What its user calls it.
[[nodiscard]] std::string HostName();

// The same for all processes that can reach each other's Unix sockets by name, and for no others:
// those of one running system and one network namespace.
[[nodiscard]] std::string HostIdentity();

// The number of the first address by which other hosts may reach this one. kNotFound when it has
// none but those of its own.
absl::StatusOr<std::string> FirstAddress();

}  // namespace dime::net
