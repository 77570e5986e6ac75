// tests/support/replica_processes.h - the processes of a job that `dime local train` has started.
#pragma once

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace dime::testing {

// Those whose command line names `job_dir` and whose environment has `variable`, "NAME=value".
inline std::vector<pid_t> ProcessesOf(const std::string& job_dir, const std::string& variable) {
  std::vector<pid_t> pids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string words = ReadText(entry.path() / "cmdline");
    const std::string environment = ReadText(entry.path() / "environ");
    if (words.find(job_dir) == std::string::npos) continue;
    if (environment.find(variable) == std::string::npos) continue;
    pids.push_back(std::stoi(name));
  }
  return pids;
}

// Those that were started as this replica of the job in `job_dir`; "": as any but the master.
inline std::vector<pid_t> ReplicasOf(const std::string& job_dir, const std::string& replica) {
  return ProcessesOf(job_dir,
                     replica == "master-0" ? "DIME_SUPERVISOR=" : "DIME_REPLICA=" + replica);
}

// Sends it to all of them; how many there are.
inline int SignalReplica(const std::string& job_dir, const std::string& replica, int signal) {
  const std::vector<pid_t> pids = ReplicasOf(job_dir, replica);
  for (const pid_t pid : pids) kill(pid, signal);
  return static_cast<int>(pids.size());
}

// How many of them have not ended; a parent that is stopped itself leaves its children unburied.
inline int NumRunning(const std::vector<pid_t>& pids) {
  return static_cast<int>(std::ranges::count_if(pids, [](pid_t pid) {
    const std::string status = ReadText("/proc/" + std::to_string(pid) + "/stat");
    const std::size_t state = status.rfind(") ");
    return state != std::string::npos && status.substr(state + 2, 1) != "Z";
  }));
}

}  // namespace dime::testing
