#include "runtime/net/credentials.h"

#include "runtime/base/text.h"

namespace dime::net {

absl::StatusOr<TransportSecurity> ParseTransportSecurity(std::string_view text) {
  if (text == "auto") return TransportSecurity::kAuto;
  if (text == "tls") return TransportSecurity::kTls;
  if (text == "insecure") return TransportSecurity::kInsecure;
  return base::InvalidArgument("{} is no transport security; there are auto, tls and insecure",
                               base::Quoted(text));
}

bool AsksForTls(TransportSecurity security, const Socket& socket) {
  switch (security) {
    case TransportSecurity::kAuto:
      return !socket.IsWithinHost();
    case TransportSecurity::kTls:
      return !socket.IsUnix();
    case TransportSecurity::kInsecure:
      break;
  }
  return false;
}

}  // namespace dime::net
