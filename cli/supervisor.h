// cli/supervisor.h - a small process in front of a job's master, for jobs of several processes.
//
// It sees the signals to the job, and starts the master again when that dies or hangs: the others
// end with it, all start anew, and the job goes on from its last checkpoint. Nobody is left of the
// start before, which has another directory and token, and held the job directory until it ended.
#pragma once

#include <optional>
#include <string>
#include <thread>

#include "cli/commands/commands.h"

namespace dime::cli {

struct SupervisedJob {
  const char* command;  // As messages name it.
  Words words;          // Of the master's command line.
  std::string job_dir;
  int max_restarts = 0;
};

// Runs `dime WORDS` as the master, up to 1 + max_restarts times; returns its last exit code. It is
// not started, or not again, where it could only end in the same way: another job has the
// directory, or all is trained and what has failed comes after that.
int RunSupervised(const SupervisedJob& job);

// The master's end: signals come from the supervisor, who hears every second that this process
// moves. Threads: one of its own.
class SupervisedMaster {
 public:
  // Nothing in a process that no supervisor has started.
  static std::optional<SupervisedMaster> FromEnvironment();

 private:
  SupervisedMaster(int orders, int beats);
  static void Serve(const std::stop_token& stop, int orders, int beats);

  std::jthread thread_;
};

}  // namespace dime::cli
