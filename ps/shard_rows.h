// ps/shard_rows.h - a virtual shard of an unbounded table, taken out of it whole.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/table.h"
#include "runtime/base/status.h"

namespace dime::ps {

// For checkpoints: with rows that have expired and were not yet taken away, which count where room
// is short.
struct ShardRows {
  std::int64_t step = 0;                        // What ages are counted from; not imported.
  std::vector<std::int64_t> ids = {};           // Ascending.
  std::vector<std::int64_t> last_updates = {};  // Of each: the step.
  std::vector<float> records = {};              // Of each: weights, then slots.
  std::vector<std::int64_t> sightings = {};     // As they lie in memory.
};

// kDataLoss when this is nothing that a table has after rows.step steps.
[[nodiscard]] absl::Status CheckShard(const ops::TableSpec& spec, int virtual_shard,
                                      const ShardRows& rows);

}  // namespace dime::ps
