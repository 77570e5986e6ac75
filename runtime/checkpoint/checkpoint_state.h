// runtime/checkpoint/checkpoint_state.h - the `checkpoint` file: which bundles a job directory
// holds, newest last.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::checkpoint {

struct CheckpointState {
  // Prefixes as written, relative to the directory: "model.ckpt-1000". Oldest first.
  std::vector<std::string> all_prefixes;

  [[nodiscard]] std::string latest() const {
    return all_prefixes.empty() ? "" : all_prefixes.back();
  }
};

// An empty state when there is no `checkpoint` file; kDataLoss when it cannot be understood.
absl::StatusOr<CheckpointState> ReadCheckpointState(storage::FileSystem& fs,
                                                    const std::string& directory);

// Replaces the file atomically. The last of `state` is the one that readers will load.
absl::Status WriteCheckpointState(storage::FileSystem& fs, const std::string& directory,
                                  const CheckpointState& state);

// No bundle is named any more.
absl::Status DeleteCheckpointState(storage::FileSystem& fs, const std::string& directory);

}  // namespace dime::checkpoint
