// runtime/net/credentials.h - what a replica needs to be let in by the others of its job, and to be
// alone with them.
#pragma once

#include <string_view>

#include "runtime/base/secret.h"
#include "runtime/base/status.h"
#include "runtime/net/socket.h"

namespace dime::net {

// Which connections are encrypted. When the ends differ, the one that asks for more has its way.
enum class TransportSecurity {
  kAuto,      // Those between hosts.
  kTls,       // All but Unix sockets, whose bytes never leave the host.
  kInsecure,  // None that the other end does not ask for.
};

// "auto", "tls", "insecure"; kInvalidArgument names what else it is.
absl::StatusOr<TransportSecurity> ParseTransportSecurity(std::string_view text);

struct Credentials {
  base::Secret token;  // Of the job.
  TransportSecurity security = TransportSecurity::kAuto;
};

// Whether this end of a connection asks for TLS: nothing that comes over the connection has a say.
[[nodiscard]] bool AsksForTls(TransportSecurity security, const Socket& socket);

}  // namespace dime::net
