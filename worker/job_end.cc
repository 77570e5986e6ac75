#include "worker/job_end.h"

#include <yaml-cpp/yaml.h>

#include "runtime/base/checked_text.h"

namespace dime::worker {
namespace {

constexpr std::uint64_t kMaxBytes = 4096;

}  // namespace

absl::Status WriteJobEnd(storage::FileSystem& fs, const std::string& job_dir,
                         const FinishedJob& end) {
  return fs.WriteAtomically(
      storage::JoinPath(job_dir, kEndPage),
      base::WithChecksum(fmt::format("# This job has ended, with the checkpoint of this step.\n"
                                     "global_step: {}\ntrain_steps: {}\nnum_epochs: {}\n",
                                     end.global_step, end.train_steps, end.num_epochs)));
}

absl::Status DeleteJobEnd(storage::FileSystem& fs, const std::string& job_dir) {
  return fs.DeleteFile(storage::JoinPath(job_dir, kEndPage));
}

std::optional<FinishedJob> ReadJobEnd(storage::FileSystem& fs, const std::string& job_dir) {
  const absl::StatusOr<std::string> text =
      fs.ReadFile(storage::JoinPath(job_dir, kEndPage), kMaxBytes);
  if (!text.ok() || !base::CheckChecksum(*text).ok()) return std::nullopt;
  try {
    const YAML::Node page = YAML::Load(*text);
    return FinishedJob{.global_step = page["global_step"].as<std::int64_t>(),
                       .train_steps = page["train_steps"].as<std::int64_t>(),
                       .num_epochs = page["num_epochs"].as<std::int64_t>()};
  } catch (const YAML::Exception&) {
    return std::nullopt;
  }
}

}  // namespace dime::worker
