#include "worker/job_lock.h"

#include <chrono>
#include <thread>

namespace dime::worker {
namespace {

constexpr int kTries = 10;
constexpr std::chrono::milliseconds kBetweenTries{5};

}  // namespace

absl::StatusOr<std::unique_ptr<storage::DirectoryLock>> LockJobDirectory(
    storage::FileSystem& fs, const std::string& job_dir) {
  for (int i = 1; true; ++i) {
    auto lock = fs.LockDirectory(job_dir);
    if (!absl::IsAborted(lock.status())) return lock;
    if (i < kTries) {
      std::this_thread::sleep_for(kBetweenTries);
      continue;
    }
    return base::Aborted(
        "job directory {} is in use by another job: wait for its end, or use another directory",
        job_dir);
  }
}

absl::StatusOr<bool> IsJobRunning(storage::FileSystem& fs, const std::string& job_dir) {
  const absl::Status locked = LockJobDirectory(fs, job_dir).status();
  if (absl::IsAborted(locked)) return true;
  if (!locked.ok()) return locked;
  return false;
}

}  // namespace dime::worker
