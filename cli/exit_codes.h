// cli/exit_codes.h - what the program's exit codes mean, and which one a status becomes.
//
// `dime help exit-codes` prints the table; supervisors restart on some of them and on others never.
#pragma once

#include <span>
#include <string_view>

#include "runtime/base/status.h"

namespace dime::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitUsage = 64,         // The command line is wrong.
  kExitData = 65,          // Input or checkpoints are bad, or not there.
  kExitUnavailable = 69,   // Storage or peers could not be reached.
  kExitBug = 70,           // A bug of dime's.
  kExitIo = 74,            // Reading or writing failed; disk or memory is full.
  kExitStale = 75,         // Another start of this replica has taken its place.
  kExitPermission = 77,    // Not allowed.
  kExitConfig = 78,        // A model description is wrong: in itself, for what is there, to train.
  kExitHungUp = 129,       // SIGHUP.
  kExitInterrupted = 130,  // SIGINT.
  kExitUnread = 141,       // SIGPIPE, as shells have it.
  kExitTerminated = 143,   // SIGTERM.
};

struct ExitCodeMeaning {
  ExitCode code;
  std::string_view meaning;
};

[[nodiscard]] std::span<const ExitCodeMeaning> ExitCodeMeanings();

// The code for a status that ends a command. Wrong flags are no status: they are kExitUsage where
// they are found.
[[nodiscard]] ExitCode ExitCodeOf(const absl::Status& status);
// The same where all that was read is input data: what is wrong is wrong with them.
[[nodiscard]] ExitCode ExitCodeOfInput(const absl::Status& status);
// The same for what ends a job whose options are good: what is left to be wrong are its files.
[[nodiscard]] ExitCode ExitCodeOfJob(const absl::Status& status);
// The same where something was written: a path that is not there is no missing input.
[[nodiscard]] ExitCode ExitCodeOfWrite(const absl::Status& status);

}  // namespace dime::cli
