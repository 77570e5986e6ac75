// cli/own_process.h - this program once more, as a process that does not outlive the one that has
// started it.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace dime::cli {

struct OwnProcess {
  std::string name;                           // For messages.
  std::vector<std::string> words;             // Its command line, after the program's name.
  std::vector<std::string> environment = {};  // "NAME=value", before what is inherited.
  std::vector<int> descriptors = {};          // That it is to have, too.
};

// Starts it; its number. It ignores SIGINT, SIGTERM and SIGHUP: signals to the whole job are for
// one process to see. It is killed when the calling thread ends.
absl::StatusOr<pid_t> StartOwnProcess(const OwnProcess& process);

}  // namespace dime::cli
