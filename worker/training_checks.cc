#include "worker/training_checks.h"

#include <algorithm>
#include <string_view>

#include "runtime/storage/file_system.h"
#include "worker/training_job.h"

namespace dime::worker {
namespace {

absl::Status CheckIsDirectoryName(std::string_view what, std::string_view name) {
  constexpr std::string_view kNotInNames("/\0", 2);
  if (name != "." && name != ".." && name.find_first_of(kNotInNames) == name.npos) {
    return absl::OkStatus();
  }
  return base::InvalidArgument("{} '{}' cannot be a directory's name", what, name);
}

absl::Status CheckAtLeast(std::string_view what, std::int64_t value, std::int64_t least) {
  if (value >= least) return absl::OkStatus();
  return base::InvalidArgument("{} is {}; it must be at least {}", what, value, least);
}

}  // namespace

absl::Status CheckOptions(const TrainingOptions& options) {
  if (options.job_dir.empty()) return base::InvalidArgument("no job directory is given");
  if (options.train_files.empty()) return base::InvalidArgument("no training files are given");
  const struct {
    std::string_view name;
    std::int64_t value;
    std::int64_t least;
  } limits[] = {
      {"the number of training steps", options.train_steps, 0},
      {"the number of epochs", options.num_epochs, 0},
      {"the training batch size", options.train_batch_size, 1},
      {"the evaluation batch size", options.eval_batch_size, 1},
      {"the number of evaluation steps", options.eval_steps, 0},
      {"the number of bad records to bear", options.max_bad_records, 0},
      {"the number of threads", options.num_threads, 0},
      {"the checkpoint interval [seconds]", options.checkpoint_interval.count(), 0},
      {"the number of steps between checkpoints", options.checkpoint_steps, 0},
      {"the number of checkpoints to keep", options.max_checkpoints, 1},
      {"the number of checkpoints of which one is full", options.full_checkpoint_every, 1},
      {"the number of failed saves to bear", options.max_failed_saves, 0},
      {"the number of steps between summaries", options.summary_steps, 0},
  };
  for (const auto& limit : limits) {
    DIME_RETURN_IF_ERROR(CheckAtLeast(limit.name, limit.value, limit.least));
  }
  DIME_RETURN_IF_ERROR(CheckIsDirectoryName("the evaluation's name", options.eval_name));
  return CheckIsDirectoryName("the export's name", options.export_name);
}

absl::Status CheckFilesExist(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(pattern));
    DIME_ASSIGN_OR_RETURN(const std::vector<std::string> paths, fs->Glob(pattern));
    if (paths.empty()) return base::NotFound("no evaluation file matches '{}'", pattern);
    for (const std::string& path : paths) DIME_RETURN_IF_ERROR(fs->Stat(path).status());
  }
  return absl::OkStatus();
}

}  // namespace dime::worker
