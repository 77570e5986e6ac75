#include "ps/shard_rows.h"

#include <algorithm>

#include "ops/optimizer.h"
#include "ps/internal/id_hash.h"

namespace dime::ps {

absl::Status CheckShard(const ops::TableSpec& spec, int virtual_shard, const ShardRows& rows) {
  const auto record_floats =
      static_cast<std::size_t>(spec.dim * (1 + ops::NumSlots(spec.optimizer.kind)));
  const std::size_t count = rows.ids.size();
  bool is_good = rows.last_updates.size() == count && rows.records.size() == count * record_floats;
  std::int64_t last_id = -1;
  for (const std::int64_t id : rows.ids) {
    is_good =
        is_good && id > last_id && id < ops::UnboundedRows::kNumIds &&
        internal::VirtualShardOf(internal::HashOfId(id)) == static_cast<std::size_t>(virtual_shard);
    last_id = id;
  }
  if (!is_good) {
    return base::DataLoss("shard {} of table '{}': ids, ages and values do not fit together",
                          virtual_shard, spec.name);
  }
  const auto bad = std::ranges::find_if(
      rows.last_updates, [&](std::int64_t update) { return update < 0 || update > rows.step; });
  if (bad == rows.last_updates.end()) return absl::OkStatus();
  return base::DataLoss(
      "shard {} of table '{}': the row of id {} was updated in step {}, but there were {} steps",
      virtual_shard, spec.name, rows.ids[static_cast<std::size_t>(bad - rows.last_updates.begin())],
      *bad, rows.step);
}

}  // namespace dime::ps
