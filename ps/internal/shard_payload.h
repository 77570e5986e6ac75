// ps/internal/shard_payload.h - a virtual shard's rows as messages carry them.
#pragma once

#include <cstdint>

#include "ps/unbounded_table.h"
#include "ps/wire.h"
#include "runtime/base/status.h"

namespace dime::ps::internal {

// Takes all that is left of a message. What it says fits together no better than CheckShard()
// finds.
absl::StatusOr<ShardRows> TakeShard(PayloadReader& reader, std::uint64_t num_rows,
                                    std::uint64_t num_sightings, std::size_t record_floats);

}  // namespace dime::ps::internal
