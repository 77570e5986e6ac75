#include "runtime/net/host.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <memory>

namespace dime::net {
namespace {

struct FreeInterfaces {
  void operator()(ifaddrs* list) const { freeifaddrs(list); }
};

bool ReachesOthers(const ifaddrs& entry, int family) {
  if (entry.ifa_addr == nullptr || entry.ifa_addr->sa_family != family) return false;
  if ((entry.ifa_flags & IFF_UP) == 0 || (entry.ifa_flags & IFF_LOOPBACK) != 0) return false;
  if (family != AF_INET6) return true;
  // An address of one link needs its interface's name beside it.
  return !IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(entry.ifa_addr)->sin6_addr);
}

}  // namespace

std::string HostName() {
  char name[256] = "";
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "an unnamed host";
}

std::string HostIdentity() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  char name_space[64] = "";
  if (readlink("/proc/self/ns/net", name_space, sizeof(name_space) - 1) < 0) name_space[0] = '\0';
  return fmt::format("{} {}", boot, name_space);
}

absl::StatusOr<std::string> FirstAddress() {
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) {
    return base::ErrnoToStatus(errno, "cannot list this host's addresses");
  }
  const std::unique_ptr<ifaddrs, FreeInterfaces> owner(interfaces);
  for (const int family : {AF_INET, AF_INET6}) {
    const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    for (const ifaddrs* entry = interfaces; entry != nullptr; entry = entry->ifa_next) {
      char host[NI_MAXHOST] = "";
      if (!ReachesOthers(*entry, family)) continue;
      if (getnameinfo(entry->ifa_addr, size, host, sizeof(host), nullptr, 0, NI_NUMERICHOST) == 0) {
        return std::string(host);
      }
    }
  }
  return base::NotFound("this host has no address by which others could reach it");
}

}  // namespace dime::net
