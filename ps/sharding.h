// ps/sharding.h - which server holds which rows.
//
// The rows of a table are cut into shards, blocks of equal size (a power of two) that do not depend
// on the number of servers. Shards are dealt to servers, the largest first, each to the server that
// has the fewest bytes by then. So any number of servers loads what any other number has written,
// and a checkpoint's tensors are cut along whole blocks. The ids of an unbounded table belong to
// 256 virtual shards by their hashes, which are dealt in the same way.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/table.h"
#include "ps/internal/id_hash.h"
#include "ps/table.h"

namespace dime::ps {

class Sharding {
 public:
  // Dense tables and small ones are one shard, large ones have 256 at most.
  static constexpr std::int64_t kMaxShards = 256;
  static constexpr std::int64_t kMinShardRows = 64;

  Sharding(std::span<const ops::TableSpec> specs, int num_servers);

  // How many rows a shard of such a table has; only the last one has fewer.
  [[nodiscard]] static std::int64_t RowsPerShard(const ops::TableSpec& spec);

  [[nodiscard]] int num_servers() const { return num_servers_; }
  [[nodiscard]] std::size_t num_tables() const { return tables_.size(); }

  [[nodiscard]] int ServerOf(std::size_t table, std::int64_t id) const {
    return tables_[table].servers[ShardOf(table, id)];
  }
  // The row's number among those of the table that its server holds.
  [[nodiscard]] std::int64_t LocalRow(std::size_t table, std::int64_t id) const {
    const TableShards& shards = tables_[table];
    return shards.local_starts[ShardOf(table, id)] + (id & shards.row_mask);
  }
  // What a server holds of a table, in ascending order; nothing of an unbounded one.
  [[nodiscard]] std::vector<RowBlock> BlocksOf(int server, std::size_t table) const;

  // The same for unbounded tables.
  [[nodiscard]] int ServerOfHashed(std::size_t table, std::int64_t id) const {
    return tables_[table].servers[internal::VirtualShardOf(internal::HashOfId(id))];
  }
  [[nodiscard]] int ServerOfVirtualShard(std::size_t table, int virtual_shard) const {
    return tables_[table].servers[static_cast<std::size_t>(virtual_shard)];
  }
  [[nodiscard]] std::vector<int> VirtualShardsOf(int server, std::size_t table) const;

 private:
  struct TableShards {
    bool is_unbounded = false;
    std::int64_t num_rows = 0;
    int row_bits = 0;
    std::int64_t row_mask = 0;
    std::vector<int> servers;                // By shard.
    std::vector<std::int64_t> local_starts;  // By shard: the local row of its first one.
  };

  [[nodiscard]] std::size_t ShardOf(std::size_t table, std::int64_t id) const {
    return static_cast<std::size_t>(id >> tables_[table].row_bits);
  }

  int num_servers_;
  std::vector<TableShards> tables_;
};

}  // namespace dime::ps
