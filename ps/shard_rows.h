// ps/shard_rows.h - a virtual shard of an unbounded table, taken out of it whole; or what has
// changed in it since a checkpoint before.
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

// What a checkpoint has of a shard.
struct SavedShard {
  bool is_whole = true;
  // All rows. Or those that were made or changed, and of the sightings the sets that changed.
  ShardRows rows = {};
  // Where it is not whole, each ascending: ids of rows that went and did not come back, some of
  // which may have been no rows before either; the numbers of the sets.
  std::vector<std::int64_t> erased = {};
  std::vector<std::int64_t> sighting_sets = {};
};

// kDataLoss when this is nothing that a table has after rows.step steps.
[[nodiscard]] absl::Status CheckShard(const ops::TableSpec& spec, int virtual_shard,
                                      const ShardRows& rows);

// Makes the rows of a checkpoint those of the next one, whose changes these are, and whose step
// these have. kDataLoss when they are none that a table has had; then the rows are anything.
[[nodiscard]] absl::Status ApplyChanges(const ops::TableSpec& spec, int virtual_shard,
                                        const SavedShard& changes, ShardRows* rows);

}  // namespace dime::ps
