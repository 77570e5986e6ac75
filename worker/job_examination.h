// worker/job_examination.h - whether a job directory is sound, and from which step a job goes on.
//
// Reads everything in it and changes nothing; by the rules that JobDirectory goes on by
// (own_checkpoints.h, checkpoint_loading.h, job_pages.h). A job may run meanwhile: what it is about
// to write or to delete is no damage.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::worker {

enum class Condition {
  kSound,
  kNote,      // Sound, and nothing that a job goes on from.
  kLeftover,  // Of a run that was killed, or is being written; the next run deletes it.
  kDamaged,
};

[[nodiscard]] std::string_view NameOf(Condition condition);

struct Finding {
  std::string name;  // A path in the directory; of a bundle its prefix.
  Condition condition = Condition::kSound;
  std::string detail;  // What it holds, or what is wrong where.
};

struct JobExamination {
  std::vector<Finding> findings;  // Of checkpoints, which stand together, the newest last.
  bool is_running = false;
  std::optional<std::int64_t> resume_step;  // None: there is no checkpoint yet, or an obstacle.
  std::string obstacle;                     // Why no job can go on here; "": it can.

  [[nodiscard]] bool is_sound() const;
};

// kNotFound: there is no such directory. Other errors: it could not be read to its end.
absl::StatusOr<JobExamination> ExamineJob(storage::FileSystem& fs, const std::string& job_dir);

}  // namespace dime::worker
