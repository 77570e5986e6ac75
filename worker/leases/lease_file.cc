#include "worker/leases/lease_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "runtime/base/checked_text.h"
#include "worker/own_checkpoints.h"

namespace dime::worker {
namespace {

constexpr std::uint64_t kMaxBytes = 4 << 20;
constexpr std::size_t kMaxLines = 100;
constexpr std::string_view kComment =
    "# Which batches these checkpoints have, as some were under way when they were taken.\n";

using DoneBySteps = std::map<std::int64_t, DoneBatches>;

// Takes what stands before the next `separator` off the front.
std::string_view TakeWord(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::optional<std::int64_t> ParseNumber(std::string_view digits) {
  std::int64_t number = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = result.ec == std::errc() && result.ptr == digits.data() + digits.size();
  return whole && number >= 0 ? std::optional(number) : std::nullopt;
}

std::optional<DoneBatches> ParseDone(std::string_view text) {
  DoneBatches done;
  std::vector<BatchRange>& ranges = done.ranges;
  while (!text.empty()) {
    std::string_view word = TakeWord(text, ' ');
    if (word.empty()) continue;
    if (word.starts_with('+')) {
      const auto num_perhaps = ParseNumber(word.substr(1));
      if (!num_perhaps || !text.empty()) return std::nullopt;
      done.num_perhaps = *num_perhaps;
      break;
    }
    const auto first = ParseNumber(TakeWord(word, '-'));
    const auto end = ParseNumber(word);
    const std::int64_t last_end = ranges.empty() ? -1 : ranges.back().end;
    if (!first || !end || *first >= *end || *first <= last_end) return std::nullopt;
    ranges.push_back({*first, *end});
  }
  return done;
}

absl::StatusOr<DoneBySteps> Read(storage::FileSystem& fs, const std::string& path) {
  DoneBySteps done;
  const absl::StatusOr<std::string> text = fs.ReadFile(path, kMaxBytes);
  if (absl::IsNotFound(text.status())) return done;
  if (!text.ok()) return text.status();
  DIME_RETURN_IF_ERROR(base::Annotate(base::CheckChecksum(*text), path));
  for (std::string_view rest = *text; !rest.empty();) {
    std::string_view line = TakeWord(rest, '\n');
    if (line.empty() || line.starts_with('#')) continue;
    const std::string name(TakeWord(line, ':'));
    const auto step = StepOfCheckpoint(name);
    auto batches = ParseDone(line);
    if (!step || !batches) return base::DataLoss("{}: '{}' is no line of such a page", path, name);
    done[*step] = *std::move(batches);
  }
  return done;
}

std::string Format(const DoneBySteps& all) {
  std::string text(kComment);
  for (const auto& [step, done] : all) {
    text += CheckpointName(step) + ":";
    for (const BatchRange& range : done.ranges) {
      text += fmt::format(" {}-{}", range.first, range.end);
    }
    text += fmt::format(" +{}\n", done.num_perhaps);
  }
  return base::WithChecksum(text);
}

}  // namespace

absl::StatusOr<DoneBatches> ReadDoneBatches(storage::FileSystem& fs, const std::string& job_dir,
                                            std::int64_t step) {
  DIME_ASSIGN_OR_RETURN(DoneBySteps all, Read(fs, storage::JoinPath(job_dir, kLeasesPage)));
  if (const auto found = all.find(step); found != all.end()) return std::move(found->second);
  if (step == 0) return DoneBatches{};
  return DoneBatches{.ranges = {{0, step}}};
}

absl::Status WriteDoneBatches(storage::FileSystem& fs, const std::string& job_dir,
                              std::int64_t step, const DoneBatches& done) {
  const std::string path = storage::JoinPath(job_dir, kLeasesPage);
  const absl::StatusOr<DoneBySteps> before = Read(fs, path);
  // A page that cannot be read is replaced.
  DoneBySteps all = before.ok() ? *before : DoneBySteps();
  const std::string as_it_was = Format(all);
  all.erase(all.lower_bound(step), all.end());
  const bool is_plain =
      SizeOf(done.ranges) == step && done.ranges.size() <= 1 && done.num_perhaps == 0;
  if (!is_plain) all[step] = done;
  while (all.size() > kMaxLines) all.erase(all.begin());
  const std::string text = Format(all);
  if (before.ok() && text == as_it_was) return absl::OkStatus();
  return fs.WriteAtomically(path, text);
}

}  // namespace dime::worker
