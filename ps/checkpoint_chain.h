// ps/checkpoint_chain.h - a checkpoint that holds, of unbounded tables, what has changed since the
// one before; and that one, and those that it builds on in its turn.
//
// The checkpoint P-N with the scalar `base_step` B builds on P-B, which lies beside it. Each
// virtual shard says by itself, in unbounded_snapshot.h's tensors, whether it is whole or has
// changes alone, and then also which bytes it is to be added to: a base that was replaced by
// another one of the same step is found out. Threads: one at a time. Errors: kDataLoss names the
// checkpoint that is missing, damaged or another one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ops/table.h"
#include "ps/shard_rows.h"
#include "runtime/base/status.h"
#include "runtime/checkpoint/bundle.h"

namespace dime::ps {

inline constexpr std::string_view kBaseStep = "base_step";

// Of the checkpoint that this one builds on; none: it stands by itself.
absl::StatusOr<std::optional<std::int64_t>> BaseStepOf(checkpoint::BundleReader& reader);

// P-B for a checkpoint P-N, which may be a path. kDataLoss when it is not named that way.
absl::StatusOr<std::string> BasePrefix(const std::string& prefix, std::int64_t base_step);

// Whether what the checkpoint's shards are to be added to is there, by its index: whether its bytes
// are sound, and what it builds on itself, is not looked at.
absl::Status CheckBase(checkpoint::BundleReader& reader);

class CheckpointChain {
 public:
  explicit CheckpointChain(checkpoint::BundleReader& newest) { readers_.push_back(&newest); }

  // A virtual shard as it was at the newest checkpoint, after `step` steps. It has passed
  // CheckShard().
  absl::StatusOr<ShardRows> ReadShard(const ops::TableSpec& spec, int virtual_shard,
                                      std::int64_t step);

 private:
  // The one that `depth` of them are built on.
  absl::StatusOr<checkpoint::BundleReader*> Reader(std::size_t depth);

  std::vector<checkpoint::BundleReader*>
      readers_;  // The newest first; opened when they are needed.
  std::vector<std::unique_ptr<checkpoint::BundleReader>> bases_;
};

}  // namespace dime::ps
