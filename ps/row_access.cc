#include "ps/row_access.h"

#include <utility>

namespace dime::ps {

LocalRows::LocalRows(std::span<Table* const> tables, std::vector<UnboundedTable*> unbounded)
    : tables_(tables.begin(), tables.end()), unbounded_(std::move(unbounded)) {
  for (const Table* const table : tables_) specs_.push_back(table->spec());
}

absl::Status LocalRows::ReadRows(std::size_t table, int part, std::int64_t first,
                                 std::int64_t count, std::span<float> out) {
  tables_[table]->CopyOut(part, first, count, out.data());
  return absl::OkStatus();
}

absl::StatusOr<ShardRows> LocalRows::ReadShard(std::size_t table, int virtual_shard) {
  return unbounded_[table]->Export(virtual_shard);
}

}  // namespace dime::ps
