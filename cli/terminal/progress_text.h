// cli/terminal/progress_text.h - how far training is, in words.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "worker/training_job.h"

namespace dime::cli {

// Three digits or a little more, as people read them: "950", "5,203", "208k", "1.35M".
[[nodiscard]] std::string FormatRate(double per_second);
// "0:07", "12:05", "3:04:59".
[[nodiscard]] std::string FormatDuration(double seconds);

// For a line of the log: "step 300/1000 (30%), loss 0.4121, 5,203 steps/s, 208k examples/s, 0:12
// left"; where replicas do not wait for each other, "staleness 2/9": at most 2 in half of the
// steps, at most 9 in 99 %.
[[nodiscard]] std::string FormatProgress(const worker::Progress& progress);

// For a status line of `columns`: the same with a bar, in fixed places; the narrower, the less.
[[nodiscard]] std::string FormatProgressBar(const worker::Progress& progress, int columns);

// Chooses the few moments at which a log should say how far training is: at most one a second and
// at least one a minute; between these about 20 where the end is known, and ever fewer where it is
// not.
class ProgressPacer {
 public:
  using Clock = std::chrono::steady_clock;

  explicit ProgressPacer(Clock::time_point start) : start_(start), last_(start) {}

  // True when it is time for a line; the next one then waits.
  bool IsDue(const worker::Progress& progress, Clock::time_point now);

 private:
  const Clock::time_point start_;
  Clock::time_point last_;
  std::optional<std::int64_t> last_step_;
};

}  // namespace dime::cli
