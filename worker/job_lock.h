// worker/job_lock.h - one job a directory at a time.
#pragma once

#include <memory>
#include <string>

#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::worker {

// Held until it is destroyed, or the process ends in whatever way. kAborted: a job has it. Null
// where the file system knows no locks. Who only looks whether there is a job has it for a moment,
// which is waited for.
absl::StatusOr<std::unique_ptr<storage::DirectoryLock>> LockJobDirectory(
    storage::FileSystem& fs, const std::string& job_dir);

// Whether a job has it; takes it for a moment.
absl::StatusOr<bool> IsJobRunning(storage::FileSystem& fs, const std::string& job_dir);

}  // namespace dime::worker
