// ps/client.h - a worker's end of the parameter servers: one message to each of them a step.
//
// A message pushes the gradients of one batch and pulls the rows of another. What is pushed and
// pulled goes to and comes from where it lies; only sparse rows that are spread over several
// servers are copied. Threads: one at a time. Errors: those of net::Channel, which name the server;
// kFailedPrecondition and others that a server answers with.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ops/table.h"
#include "ps/server_control.h"
#include "ps/sharding.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"

namespace dime::ps {

class Client {
 public:
  // Connects to all servers: servers[s] is where server s listens, in order of preference. `specs`
  // and `sharding` outlive this object.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(
      std::span<const ops::TableSpec> specs, const Sharding& sharding,
      std::span<const std::vector<net::Address>> servers, const ClientOptions& options);
  ~Client();

  // Which gradients a push is for, and how servers are to take them; see ExchangeRequest.
  struct Push {
    const ops::Gradients* gradients = nullptr;
    std::uint64_t pull = 0;  // What PullNumber() said after the pull of their rows.
    std::int64_t step = 0;
    int micro_batch = 0;
  };
  struct Pull {
    const ops::Lookups* lookups = nullptr;
    std::int64_t step = 0;
  };

  // Sends to all servers; then waits for all answers. Either may be null. Between the two calls the
  // caller may compute. The rows stay valid until the pull after the next one is started, so that a
  // step can be computed while the next one's rows are on their way.
  absl::Status StartExchange(const Push* push, const Pull* pull);
  absl::StatusOr<ops::Rows> FinishExchange();

  // The number of the last pull that was started.
  [[nodiscard]] std::uint64_t PullNumber() const;
  // The fewest updates that any server's rows had in the last answers.
  [[nodiscard]] std::int64_t Version() const;

  // Everything else that servers are asked for, over the same connections.
  [[nodiscard]] ServerControl& servers();

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::ps
