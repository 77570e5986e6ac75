#include "cli/terminal/progress_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

namespace dime::cli {
namespace {

constexpr std::int64_t kMaxLines = 18;  // With the first and the last of a run, 20.
constexpr int kMinBarColumns = 10;
constexpr int kMaxBarColumns = 30;

bool EndIsKnown(const worker::Progress& progress) { return progress.last_step > 0; }

int Percent(const worker::Progress& progress) {
  const double part = static_cast<double>(progress.step) / static_cast<double>(progress.last_step);
  return static_cast<int>(std::clamp(part, 0.0, 1.0) * 100);
}

std::string FormatStep(const worker::Progress& progress) {
  if (!EndIsKnown(progress)) return fmt::format("step {}", progress.step);
  return fmt::format("step {}/{}", progress.step, progress.last_step);
}

std::string FormatTimeLeft(const worker::Progress& progress) {
  if (!EndIsKnown(progress) || !(progress.steps_per_second > 0)) return "";
  const auto steps_left =
      static_cast<double>(std::max<std::int64_t>(progress.last_step - progress.step, 0));
  return FormatDuration(steps_left / progress.steps_per_second) + " left";
}

std::string FormatBar(int percent, int columns) {
  const int room = columns - 2;
  const int filled = percent * room / 100;
  std::string bar(static_cast<std::size_t>(filled), '=');
  if (filled < room) bar += '>';
  bar.resize(static_cast<std::size_t>(room), ' ');
  return "[" + bar + "]";
}

std::string WithThousands(std::int64_t value) {
  if (value < 1000) return std::to_string(value);
  return fmt::format("{},{:03}", WithThousands(value / 1000), value % 1000);
}

}  // namespace

std::string FormatRate(double per_second) {
  if (!std::isfinite(per_second) || per_second < 0) return "?";
  if (per_second < 10) return fmt::format("{:.2g}", per_second);
  if (per_second < 99'999.5) return WithThousands(std::llround(per_second));
  if (per_second < 999'500) return fmt::format("{:.0f}k", per_second / 1e3);
  return fmt::format("{:.2f}M", per_second / 1e6);
}

std::string FormatDuration(double seconds) {
  constexpr double kLongest = 1000.0 * 3600;
  if (!(seconds >= 0) || seconds > kLongest) return "?";
  const auto whole = static_cast<std::int64_t>(std::ceil(seconds));
  const std::int64_t minutes = whole / 60;
  if (minutes < 60) return fmt::format("{}:{:02}", minutes, whole % 60);
  return fmt::format("{}:{:02}:{:02}", minutes / 60, minutes % 60, whole % 60);
}

std::string FormatProgress(const worker::Progress& progress) {
  std::string line = FormatStep(progress);
  if (EndIsKnown(progress)) line += fmt::format(" ({}%)", Percent(progress));
  line +=
      fmt::format(", loss {:.4g}, {} steps/s, {} examples/s", progress.loss,
                  FormatRate(progress.steps_per_second), FormatRate(progress.examples_per_second));
  const std::string left = FormatTimeLeft(progress);
  return left.empty() ? line : line + ", " + left;
}

std::string FormatProgressBar(const worker::Progress& progress, int columns) {
  // In the order of the line; the lower the rank, the longer a part stays when there is less room.
  struct Part {
    int rank;
    std::string text;
  };
  const bool has_bar = EndIsKnown(progress);
  std::array<Part, 7> parts = {{
      {0, FormatStep(progress)},
      {1, has_bar ? fmt::format("{:>3}%", Percent(progress)) : ""},
      {4, has_bar ? FormatBar(Percent(progress), kMinBarColumns) : ""},
      {2, fmt::format("loss {:.4g}", progress.loss)},
      {5, FormatRate(progress.steps_per_second) + " steps/s"},
      {6, FormatRate(progress.examples_per_second) + " examples/s"},
      {3, FormatTimeLeft(progress)},
  }};
  Part& bar = parts[2];
  constexpr int kGap = 2;
  int room = columns - 1;
  int least_rank_left_out = static_cast<int>(parts.size());
  for (int rank = 0; rank < least_rank_left_out; ++rank) {
    const auto& part = *std::ranges::find(parts, rank, &Part::rank);
    if (part.text.empty()) continue;
    const int width = static_cast<int>(part.text.size()) + (rank == 0 ? 0 : kGap);
    if (width > room) {
      least_rank_left_out = rank;
    } else {
      room -= width;
    }
  }
  if (has_bar && bar.rank < least_rank_left_out) {
    bar.text = FormatBar(Percent(progress), std::min(kMinBarColumns + room, kMaxBarColumns));
  }
  std::vector<std::string> words;
  for (const Part& part : parts) {
    if (!part.text.empty() && part.rank < least_rank_left_out) words.push_back(part.text);
  }
  return fmt::format("{}", fmt::join(words, std::string(kGap, ' ')));
}

bool ProgressPacer::IsDue(const worker::Progress& progress, Clock::time_point now) {
  constexpr std::chrono::seconds kLeast{1};
  constexpr std::chrono::seconds kMost{60};
  const std::int64_t last_step = last_step_.value_or(progress.first_step);
  if (EndIsKnown(progress)) {
    const std::int64_t stride = (progress.last_step - progress.first_step) / kMaxLines + 1;
    if (now - last_ < kLeast || progress.step - last_step < stride) return false;
  } else {
    const auto pause = std::clamp<Clock::duration>((now - start_) / kMaxLines, kLeast, kMost);
    if (now - last_ < pause) return false;
  }
  last_ = now;
  last_step_ = progress.step;
  return true;
}

}  // namespace dime::cli
