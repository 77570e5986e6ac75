// bench/one_server.h - a parameter server on a thread of its own, and a client of it that has
// begun to train.
#pragma once

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "ops/table.h"
#include "ps/client.h"
#include "ps/server.h"
#include "ps/sharding.h"
#include "runtime/base/check.h"
#include "runtime/net/frame_server.h"

namespace dime {

class OneServer {
 public:
  OneServer(std::vector<ops::TableSpec> table_specs, const net::Address& address,
            net::TransportSecurity security = net::TransportSecurity::kAuto)
      : specs(std::move(table_specs)),
        sharding_(specs, 1),
        frames_(*net::FrameServer::Open({&address, 1}, {"token", security}, {})),
        server_(
            [this](std::uint64_t seed) {
              return ps::Shards::Create(specs, sharding_, /*server=*/0, seed, {});
            },
            /*num_replicas=*/1,
            [this](auto connection, const auto& header, auto parts) {
              frames_->Send(connection, header, parts);
            }),
        addresses{frames_->addresses()},
        thread_([this](std::stop_token stop) { DIME_CHECK(frames_->Run(server_, stop).ok()); }),
        client(*ps::Client::Connect(specs, sharding_, addresses, Options())) {
    DIME_CHECK(client->servers().Prepare({.seed = 1}).ok() &&
               client->servers().Start({.seed = 1}).ok());
  }

  static ps::ClientOptions Options() { return {.credentials = {"token"}, .self = {}}; }

  const std::vector<ops::TableSpec> specs;

 private:
  const ps::Sharding sharding_;
  const std::unique_ptr<net::FrameServer> frames_;
  ps::Server server_;

 public:
  const std::vector<std::vector<net::Address>> addresses;  // By server: where it listens.

 private:
  const std::jthread thread_;

 public:
  const std::unique_ptr<ps::Client> client;  // Goes before the thread does.
};

}  // namespace dime
