// worker/server_store.h - the parameter store of a cluster: the rows are on its parameter servers.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/table.h"
#include "ps/client.h"
#include "ps/row_access.h"
#include "ps/sharding.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "worker/parameter_store.h"

namespace dime::worker {

class ServerStore final : public ParameterStore {
 public:
  // Servers that are not there yet are waited for, within options.connect_time.
  static absl::StatusOr<std::unique_ptr<ServerStore>> Connect(
      const std::vector<ops::TableSpec>& specs, std::span<const std::vector<net::Address>> servers,
      const ps::ClientOptions& options);

  absl::StatusOr<ops::Rows> Exchange(const Push* push, const Pull& pull) override;
  absl::Status StartExchange(const Push* push, const Pull& pull) override;
  absl::StatusOr<ops::Rows> FinishExchange() override;
  [[nodiscard]] std::int64_t version() const override { return client_->Version(); }
  [[nodiscard]] ps::RowAccess& rows() override { return rows_; }

  [[nodiscard]] ps::ServerControl& servers() { return client_->servers(); }

 private:
  class Rows final : public ps::RowAccess {
   public:
    explicit Rows(ServerStore& store) : store_(store) {}
    [[nodiscard]] std::span<const ops::TableSpec> specs() const override { return store_.specs_; }
    absl::Status ReadRows(std::size_t table, int part, std::int64_t first, std::int64_t count,
                          std::span<float> out) override;
    absl::StatusOr<ps::ShardRows> ReadShard(std::size_t table, int virtual_shard) override;

   private:
    ServerStore& store_;
  };

  ServerStore(std::vector<ops::TableSpec> specs, int num_servers);

  const std::vector<ops::TableSpec> specs_;
  const ps::Sharding sharding_;
  std::unique_ptr<ps::Client> client_;
  Rows rows_{*this};
  // The numbers of the pulls that were started last, the newest first.
  std::array<std::uint64_t, 2> pulls_ = {};
};

}  // namespace dime::worker
