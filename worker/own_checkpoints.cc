#include "worker/own_checkpoints.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "runtime/base/checked_text.h"
#include "runtime/checkpoint/checkpoint_state.h"

namespace dime::worker {
namespace {

using storage::JoinPath;

constexpr std::string_view kCheckpointName = "model.ckpt-";
constexpr std::string_view kIndexSuffix = ".index";
constexpr char kListFile[] = "dime/checkpoints";
constexpr std::uint64_t kMaxListBytes = 16 << 20;

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// A job's checkpoints lie in its directory. Absolute prefixes, which TensorFlow may write, go wrong
// when a directory moves; and no prefix may lead retention to somebody else's files.
std::vector<std::string> NamesIn(const checkpoint::CheckpointState& state) {
  std::vector<std::string> names;
  for (const std::string& prefix : state.all_prefixes) {
    names.emplace_back(storage::BaseName(prefix));
  }
  return names;
}

// Nobody but a user, or a flipped bit, has a job go on from an older one.
void ComplainOfOrder(const std::string& directory, FoundCheckpoints* found) {
  if (found->names.empty()) return;
  for (const std::string& name : found->names) {
    if (StepOfCheckpoint(name) <= StepOfCheckpoint(found->names.back())) continue;
    found->complaints.push_back(fmt::format("{}/checkpoint has {} as the newest, and names {}, too",
                                            directory, found->names.back(), name));
  }
}

// Whatever their steps: `checkpoint` has the last word on which one is to be gone on from.
void AdoptUnnamed(const std::vector<std::string>& bundles, FoundCheckpoints* found) {
  std::vector<std::string> unnamed;
  for (const std::string& name : bundles) {
    if (Contains(found->own, name) && !Contains(found->names, name)) unnamed.push_back(name);
  }
  found->names.insert(found->names.begin(), unnamed.begin(), unnamed.end());
}

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
    const absl::StatusOr<storage::FileInfo> info = fs.Stat(JoinPath(directory, file));
    if (absl::IsNotFound(info.status())) continue;  // A job that runs has deleted it since.
    DIME_RETURN_IF_ERROR(info.status());
    if (!info->is_directory) steps.push_back(*step);
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
  DIME_RETURN_IF_ERROR(base::Annotate(base::CheckChecksum(*text), JoinPath(directory, kListFile)));
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
      base::WithChecksum(fmt::format(
          "# The checkpoints that are this job's own, to be deleted when they are old.\n{}\n",
          fmt::join(names, "\n"))));
}

absl::StatusOr<FoundCheckpoints> FindCheckpoints(storage::FileSystem& fs,
                                                 const std::string& directory) {
  FoundCheckpoints found;
  // The list first: it has every bundle of the job's that is found then.
  auto own = ReadOwnCheckpoints(fs, directory);
  if (absl::IsDataLoss(own.status())) {
    found.complaints.emplace_back(base::MessageOf(own.status()));
  } else if (!own.ok()) {
    return own.status();
  } else {
    found.own = *std::move(own);
  }
  DIME_ASSIGN_OR_RETURN(std::vector<std::string> bundles, ListCheckpoints(fs, directory));
  const auto state = checkpoint::ReadCheckpointState(fs, directory);
  if (!state.ok() && !absl::IsDataLoss(state.status())) return state.status();
  if (state.ok()) found.names = NamesIn(*state);
  const bool any_is_there = std::ranges::any_of(
      found.names, [&](const std::string& name) { return Contains(bundles, name); });
  if (any_is_there || bundles.empty()) {
    ComplainOfOrder(directory, &found);
    AdoptUnnamed(bundles, &found);
    return found;
  }
  const std::string cause = !state.ok() ? std::string(base::MessageOf(state.status()))
                            : found.names.empty()
                                ? fmt::format("{} has no `checkpoint` file", directory)
                                : fmt::format("{}/checkpoint names none that is there", directory);
  found.complaints.push_back("looking for checkpoints by their names: " + cause);
  found.names = std::move(bundles);
  return found;
}

}  // namespace dime::worker
