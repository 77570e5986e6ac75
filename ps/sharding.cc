#include "ps/sharding.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "ops/optimizer.h"
#include "runtime/base/check.h"

namespace dime::ps {
namespace {

struct Shard {
  std::int64_t floats = 0;
  std::size_t table = 0;
  std::size_t index = 0;
};

int RowBits(const ops::TableSpec& spec) {
  const std::int64_t num_shards = spec.dense ? 1 : Sharding::kMaxShards;
  const std::int64_t rows =
      std::max((spec.num_rows + num_shards - 1) / num_shards, Sharding::kMinShardRows);
  return std::bit_width(static_cast<std::uint64_t>(rows - 1));
}

}  // namespace

std::int64_t Sharding::RowsPerShard(const ops::TableSpec& spec) {
  return std::int64_t{1} << RowBits(spec);
}

Sharding::Sharding(std::span<const ops::TableSpec> specs, int num_servers)
    : num_servers_(num_servers), tables_(specs.size()) {
  DIME_CHECK(num_servers > 0);
  std::vector<Shard> shards;
  for (std::size_t t = 0; t < specs.size(); ++t) {
    const ops::TableSpec& spec = specs[t];
    TableShards& table = tables_[t];
    table.num_rows = spec.num_rows;
    table.row_bits = RowBits(spec);
    table.row_mask = (std::int64_t{1} << table.row_bits) - 1;
    if (spec.unbounded) {
      table.is_unbounded = true;
      table.servers.resize(internal::kVirtualShards);
      const auto num_shards = static_cast<std::int64_t>(internal::kVirtualShards);
      const auto floats = spec.unbounded->max_bytes / num_shards / std::int64_t{sizeof(float)};
      for (std::size_t s = 0; s < table.servers.size(); ++s) shards.push_back({floats, t, s});
      continue;
    }
    const std::int64_t row_floats = spec.dim * (1 + ops::NumSlots(spec.optimizer.kind));
    for (std::int64_t first = 0; first < spec.num_rows; first += table.row_mask + 1) {
      const std::int64_t count = std::min(table.row_mask + 1, spec.num_rows - first);
      shards.push_back({count * row_floats, t, table.servers.size()});
      table.servers.push_back(0);
    }
    table.local_starts.resize(table.servers.size());
  }

  std::ranges::sort(shards, [](const Shard& a, const Shard& b) {
    return std::tuple(-a.floats, a.table, a.index) < std::tuple(-b.floats, b.table, b.index);
  });
  std::vector<std::int64_t> load(static_cast<std::size_t>(num_servers), 0);
  for (const Shard& shard : shards) {
    const auto lightest = std::ranges::min_element(load);
    *lightest += shard.floats;
    tables_[shard.table].servers[shard.index] = static_cast<int>(lightest - load.begin());
  }

  for (TableShards& table : tables_) {
    if (table.is_unbounded) continue;
    std::vector<std::int64_t> next(static_cast<std::size_t>(num_servers), 0);
    for (std::size_t s = 0; s < table.servers.size(); ++s) {
      std::int64_t& start = next[static_cast<std::size_t>(table.servers[s])];
      table.local_starts[s] = start;
      start += table.row_mask + 1;  // Only the last shard is shorter.
    }
  }
}

std::vector<RowBlock> Sharding::BlocksOf(int server, std::size_t table) const {
  const TableShards& shards = tables_[table];
  std::vector<RowBlock> blocks;
  if (shards.is_unbounded) return blocks;
  for (std::size_t s = 0; s < shards.servers.size(); ++s) {
    if (shards.servers[s] != server) continue;
    const std::int64_t first = static_cast<std::int64_t>(s) << shards.row_bits;
    const std::int64_t count = std::min(shards.row_mask + 1, shards.num_rows - first);
    if (!blocks.empty() && blocks.back().first + blocks.back().count == first) {
      blocks.back().count += count;
    } else {
      blocks.push_back({first, count});
    }
  }
  return blocks;
}

std::vector<int> Sharding::VirtualShardsOf(int server, std::size_t table) const {
  std::vector<int> virtual_shards;
  const std::vector<int>& servers = tables_[table].servers;
  for (int s = 0; s < std::ssize(servers); ++s) {
    if (servers[static_cast<std::size_t>(s)] == server) virtual_shards.push_back(s);
  }
  return virtual_shards;
}

}  // namespace dime::ps
