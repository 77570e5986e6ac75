#include "worker/own_checkpoints.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace dime::worker {
namespace {

using storage::JoinPath;

constexpr std::string_view kCheckpointName = "model.ckpt-";
constexpr std::string_view kIndexSuffix = ".index";
constexpr char kListFile[] = "dime/checkpoints";
constexpr std::uint64_t kMaxListBytes = 16 << 20;

}  // namespace

std::string CheckpointName(std::int64_t step) { return fmt::format("{}{}", kCheckpointName, step); }

std::optional<std::int64_t> StepOfCheckpoint(std::string_view name) {
  if (!name.starts_with(kCheckpointName)) return std::nullopt;
  const std::string_view digits = name.substr(kCheckpointName.size());
  std::int64_t step = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), step);
  if (result.ec != std::errc() || step < 0 || CheckpointName(step) != name) return std::nullopt;
  return step;
}

absl::StatusOr<std::vector<std::string>> ListCheckpoints(storage::FileSystem& fs,
                                                         const std::string& directory) {
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> files, fs.List(directory));
  std::vector<std::int64_t> steps;
  for (const std::string& file : files) {
    if (!file.ends_with(kIndexSuffix)) continue;
    const std::string_view name =
        std::string_view(file).substr(0, file.size() - kIndexSuffix.size());
    const std::optional<std::int64_t> step = StepOfCheckpoint(name);
    if (!step.has_value()) continue;
    DIME_ASSIGN_OR_RETURN(const storage::FileInfo info, fs.Stat(JoinPath(directory, file)));
    if (!info.is_directory) steps.push_back(*step);
  }
  std::ranges::sort(steps);
  std::vector<std::string> names;
  std::ranges::transform(steps, std::back_inserter(names), CheckpointName);
  return names;
}

absl::StatusOr<std::vector<std::string>> ReadOwnCheckpoints(storage::FileSystem& fs,
                                                            const std::string& directory) {
  absl::StatusOr<std::string> text = fs.ReadFile(JoinPath(directory, kListFile), kMaxListBytes);
  if (absl::IsNotFound(text.status())) return std::vector<std::string>();
  if (!text.ok()) return text.status();
  std::vector<std::string> names;
  for (std::string_view rest = *text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    if (StepOfCheckpoint(line).has_value()) names.emplace_back(line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return names;
}

absl::Status WriteOwnCheckpoints(storage::FileSystem& fs, const std::string& directory,
                                 const std::vector<std::string>& names) {
  return fs.WriteAtomically(
      JoinPath(directory, kListFile),
      fmt::format(
          "# The checkpoints that are this job's own, to be deleted when they are old.\n{}\n",
          fmt::join(names, "\n")));
}

}  // namespace dime::worker
