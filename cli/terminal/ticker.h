// cli/terminal/ticker.h - how far a piece of work is, shown a few times a second.
//
// Threads: one. Shows nothing where stderr is no terminal.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "cli/terminal/status_line.h"

namespace dime::cli {

class Ticker {
 public:
  void Show(const std::string& line) {
    constexpr std::chrono::milliseconds kInterval{100};
    if (status_line_ == nullptr || Clock::now() - shown_at_ < kInterval) return;
    shown_at_ = Clock::now();
    status_line_->Show(line);
  }

 private:
  using Clock = std::chrono::steady_clock;

  const std::unique_ptr<StatusLine> status_line_ = MakeStatusLine();
  Clock::time_point shown_at_;
};

}  // namespace dime::cli
