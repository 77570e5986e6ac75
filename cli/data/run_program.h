// cli/data/run_program.h - runs another program to its end and listens to what it prints.
//
// Threads: any; the call blocks. Errors: kUnavailable (it cannot be started, failed, or took too
// long; the message ends with what it printed last), kDeadlineExceeded (it printed nothing in
// time), kResourceExhausted (it found no room), kCancelled. Nothing that it started is left running
// after a failure.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "runtime/base/status.h"

namespace dime::cli {

struct RunProgramOptions {
  std::chrono::milliseconds time_limit{60'000};
  std::optional<std::chrono::milliseconds> patience;  // Until its first line.
  std::optional<int> no_room_status;                  // What it exits with when the disk is full.
  std::stop_token stop;
  std::function<void(const std::string&)> on_line;  // A line of its stdout or stderr.
};

// Runs arguments[0], looked up in PATH, in a process group of its own. Its stdin stays open and
// silent as long as this process lives, so that it can end when this one is killed.
absl::Status RunProgram(std::span<const std::string> arguments, const RunProgramOptions& options);

}  // namespace dime::cli
