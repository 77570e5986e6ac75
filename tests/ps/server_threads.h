// tests/ps/server_threads.h - parameter servers in threads of a test, and clients of theirs.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ps/client.h"
#include "ps/server.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::ps {

// Servers in threads of this process.
class ServerThreads {
 public:
  ServerThreads(std::vector<ops::TableSpec> table_specs, int num_servers,
                const ConsistencyOptions& consistency,
                net::Address::Kind kind = net::Address::Kind::kUnix)
      : specs(std::move(table_specs)), sharding(specs, num_servers) {
    for (int s = 0; s < num_servers; ++s) {
      auto& server = servers_.emplace_back(std::make_unique<Replica>());
      const net::Address address =
          kind == net::Address::Kind::kUnix
              ? net::Address{.kind = kind, .host = dir_.File("ps-" + std::to_string(s))}
              : net::Address{.host = "127.0.0.1"};
      auto frames = net::FrameServer::Open({&address, 1}, {"token"}, {});
      EXPECT_OK(frames);
      server->frames = *std::move(frames);
      addresses.push_back(server->frames->addresses());
      net::FrameServer* const to = server->frames.get();
      server->server = std::make_unique<Server>(
          [this, s, consistency](std::uint64_t seed) {
            return Shards::Create(specs, sharding, s, seed, consistency);
          },
          consistency.num_replicas,
          [to](auto connection, const auto& header, auto parts) {
            to->Send(connection, header, parts);
          });
      server->thread = std::jthread([&server = *server](std::stop_token stop) {
        EXPECT_OK(server.frames->Run(*server.server, stop));
      });
    }
  }

  // What the master does.
  std::unique_ptr<Client> ConnectAndStart(std::uint32_t replica) {
    auto client = Connect(replica);
    EXPECT_OK(client->servers().Prepare({.seed = 7}));
    EXPECT_OK(client->servers().Start({.seed = 7}));
    return client;
  }

  std::unique_ptr<Client> Connect(std::uint32_t replica) {
    auto client = Client::Connect(
        specs, sharding, addresses,
        {.credentials = {"token"}, .self = NameOfReplica(replica), .precision = precision});
    EXPECT_OK(client);
    return *std::move(client);
  }

  // Ends the servers.
  void Stop() { servers_.clear(); }

  const std::vector<ops::TableSpec> specs;
  const Sharding sharding;
  std::vector<std::vector<net::Address>> addresses;
  ops::Precision precision = ops::Precision::kFloat32;  // Of clients to come.

 private:
  struct Replica {
    std::unique_ptr<net::FrameServer> frames;
    std::unique_ptr<Server> server;
    std::jthread thread;
  };
  dime::testing::TempDir dir_;
  std::vector<std::unique_ptr<Replica>> servers_;
};

}  // namespace dime::ps
