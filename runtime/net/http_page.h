// runtime/net/http_page.h - one text that HTTP clients can fetch: GET /metrics and such, each time
// made anew.
//
// A thread of its own does it all. Each connection is answered once and closed; within 10 s of its
// start, with a header of 8 KiB at most, and no more than 32 at a time: clients that are slow, many
// or hostile cost this thread a little and nobody else anything.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/base/status.h"
#include "runtime/net/address.h"

namespace dime::net {

class HttpPage {
 public:
  struct Options {
    std::string target = "/metrics";
    std::string content_type = "text/plain; version=0.0.4; charset=utf-8";
  };

  // Listens on a TCP address whose host is a number, or "localhost"; a port of 0 becomes a free
  // one. `make` is called in the page's thread and must not throw. kInvalidArgument, kUnavailable.
  static absl::StatusOr<std::unique_ptr<HttpPage>> Open(const Address& address, Options options,
                                                        std::function<std::string()> make);
  ~HttpPage();  // Ends at once, whoever is connected.

  [[nodiscard]] const Address& address() const;

 private:
  class Impl;
  explicit HttpPage(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::net
