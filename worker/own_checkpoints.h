// worker/own_checkpoints.h - which bundles of a job directory are the job's own to delete.
//
// `checkpoint` names the bundles that are kept. A run that is killed may leave others: one that is
// not named yet, or no longer. The list in dime/checkpoints tells these from a bundle that a user
// put there; it is written before a bundle is, and holds each until it is certain to be gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::worker {

// "model.ckpt-STEP".
[[nodiscard]] std::string CheckpointName(std::int64_t step);
// The step of a name of exactly that form; none for every other.
[[nodiscard]] std::optional<std::int64_t> StepOfCheckpoint(std::string_view name);

// The names of the whole bundles in `directory`, whoever wrote them; newest last.
absl::StatusOr<std::vector<std::string>> ListCheckpoints(storage::FileSystem& fs,
                                                         const std::string& directory);

// Lines that are no checkpoint's name are left out; no list is an empty one. kDataLoss: it is not
// as it was written.
absl::StatusOr<std::vector<std::string>> ReadOwnCheckpoints(storage::FileSystem& fs,
                                                            const std::string& directory);
// Replaces the list atomically.
absl::Status WriteOwnCheckpoints(storage::FileSystem& fs, const std::string& directory,
                                 const std::vector<std::string>& names);

// Which checkpoints a job goes on from: the last one, and the one before wherever one is damaged.
struct FoundCheckpoints {
  std::vector<std::string> names;       // Newest last.
  std::vector<std::string> own;         // What the list has; empty where it is damaged, too.
  std::vector<std::string> complaints;  // What is wrong with `checkpoint` or the list.
};

// Those that `checkpoint` names, and behind them those that only the list has; or, where
// `checkpoint` is not to be read or names none that is there, all bundles by their steps.
absl::StatusOr<FoundCheckpoints> FindCheckpoints(storage::FileSystem& fs,
                                                 const std::string& directory);

}  // namespace dime::worker
