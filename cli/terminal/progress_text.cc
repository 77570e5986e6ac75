#include "cli/terminal/progress_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace dime::cli {
namespace {

constexpr std::int64_t kMaxLines = 18;  // With the first and the last of a run, 20.
constexpr int kMinBarColumns = 6;       // The percentage and its brackets.
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

std::string FormatStaleness(const worker::Progress& progress) {
  if (!progress.staleness) return "";
  return fmt::format("staleness {}/{}", progress.staleness->p50, progress.staleness->p99);
}

std::string FormatTimeLeft(const worker::Progress& progress) {
  if (!EndIsKnown(progress) || !(progress.steps_per_second > 0)) return "";
  const auto steps_left =
      static_cast<double>(std::max<std::int64_t>(progress.last_step - progress.step, 0));
  return FormatDuration(steps_left / progress.steps_per_second) + " left";
}

// "[===>      30%]"
std::string FormatBar(int percent, int columns) {
  const std::string label = fmt::format("{:>4}", fmt::format("{}%", percent));
  const int room = columns - 2 - static_cast<int>(label.size());
  const int filled = percent * room / 100;
  std::string bar(static_cast<std::size_t>(filled), '=');
  if (filled < room) bar += '>';
  bar.resize(static_cast<std::size_t>(room), ' ');
  return "[" + bar + label + "]";
}

// "  815/20000": as wide at every step.
std::string FormatCount(const worker::Progress& progress) {
  if (!EndIsKnown(progress)) return FormatStep(progress);
  const std::string last = std::to_string(progress.last_step);
  return fmt::format("{:>{}}/{}", progress.step, last.size(), last);
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
  for (const std::string& part : {FormatStaleness(progress), FormatTimeLeft(progress)}) {
    if (!part.empty()) line += ", " + part;
  }
  return line;
}

std::string FormatProgressBar(const worker::Progress& progress, int columns) {
  // Numbers have a fixed width, so that nothing jumps from one line to the next.
  const std::string left = FormatTimeLeft(progress);
  const std::string count = FormatCount(progress);
  const std::string loss = fmt::format("loss {:<7.4g}", progress.loss);
  const std::string steps = fmt::format("{:>6} steps/s", FormatRate(progress.steps_per_second));
  const std::string examples =
      fmt::format("{:>6} examples/s", FormatRate(progress.examples_per_second));
  const std::string time = left.empty() ? "" : fmt::format("{:>10}", left);
  const std::string staleness =
      progress.staleness ? fmt::format("{:<15}", FormatStaleness(progress)) : "";

  int room = columns - 1 - static_cast<int>(count.size());
  if (room < 0) return "";
  const auto takes_room = [&room](const std::string* part) {
    const int width = part->empty() ? 0 : static_cast<int>(part->size()) + 1;
    if (width > room) return false;
    room -= width;
    return true;
  };
  // The first that does not fit, and those after it, are left out.
  const std::array by_rank = {&loss, &time, &steps, &examples, &staleness};
  const auto first_left_out = std::ranges::find_if_not(by_rank, takes_room);

  std::string line = count;
  if (EndIsKnown(progress) && room > kMinBarColumns) {
    line += " " + FormatBar(Percent(progress), std::min(room - 1, kMaxBarColumns));
  }
  for (const std::string* const part : {&loss, &steps, &examples, &staleness, &time}) {
    if (part->empty() || std::find(by_rank.begin(), first_left_out, part) == first_left_out)
      continue;
    line += " " + *part;
  }
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

bool ProgressPacer::IsDue(const worker::Progress& progress, Clock::time_point now) {
  constexpr std::chrono::seconds kLeast{1};
  constexpr std::chrono::seconds kMost{60};
  const std::int64_t last_step = last_step_.value_or(progress.first_step);
  if (EndIsKnown(progress)) {
    const std::int64_t stride = (progress.last_step - progress.first_step) / kMaxLines + 1;
    const bool has_gone_far = now - last_ >= kLeast && progress.step - last_step >= stride;
    if (!has_gone_far && now - last_ < kMost) return false;
  } else {
    const auto pause = std::clamp<Clock::duration>((now - start_) / kMaxLines, kLeast, kMost);
    if (now - last_ < pause) return false;
  }
  last_ = now;
  last_step_ = progress.step;
  return true;
}

}  // namespace dime::cli
