// worker/job_end.h - how an evaluator learns that the job it looks on at has ended: of its own
// accord, not because it was stopped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::worker {

// JOB_DIR/dime/ended.
inline constexpr char kEndPage[] = "dime/ended";

// A job that has been asked for other steps or epochs is another one.
struct FinishedJob {
  std::int64_t global_step = 0;  // Of its last checkpoint.
  std::int64_t train_steps = 0;  // As it was asked for them.
  std::int64_t num_epochs = 0;

  bool operator==(const FinishedJob&) const = default;
};

absl::Status WriteJobEnd(storage::FileSystem& fs, const std::string& job_dir,
                         const FinishedJob& end);
// The job has begun, or goes on.
absl::Status DeleteJobEnd(storage::FileSystem& fs, const std::string& job_dir);
// None: it has not ended, or what is there cannot be understood.
[[nodiscard]] std::optional<FinishedJob> ReadJobEnd(storage::FileSystem& fs,
                                                    const std::string& job_dir);

}  // namespace dime::worker
