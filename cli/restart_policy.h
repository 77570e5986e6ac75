// cli/restart_policy.h - whether, and when, a process that has ended is started again.
//
// Threads: one at a time.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

namespace dime::cli {

class RestartPolicy {
 public:
  using Clock = std::chrono::steady_clock;

  // How long to wait before the next start: 0.1 s, and twice as long each time, up to 5 s. Nothing:
  // it stays ended, as it would end in the same way, or has been started ten times in ten minutes.
  // `exit_code`: 128 + the signal where one has ended it.
  std::optional<std::chrono::milliseconds> OnEnd(int exit_code, Clock::time_point now);

  // Whether trying again may help a process that ended so: not what a command line, data, rights or
  // a configuration are to blame for.
  [[nodiscard]] static bool MayHelp(int exit_code);

 private:
  std::deque<Clock::time_point> restarts_;  // Of the last ten minutes.
};

}  // namespace dime::cli
