// worker/collective/mpi_collective.h - replicas that are the ranks of an MPI program, by way of the
// plug-in library libdime_mpi.so.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "worker/collective/collective.h"

namespace dime::worker {

struct MpiOptions {
  // Whether this process exchanges values, and as which rank of those that do. Parameter servers do
  // not, but every process of an mpirun has to start MPI where one does.
  bool is_member = true;
  int rank = 0;
  int num_members = 1;
  // For the other processes of the launch to start MPI. MPI cannot give up: when it is over the
  // process ends, with the reason in the log.
  std::chrono::milliseconds start_time{60'000};
  std::chrono::milliseconds patience{600'000};  // For a rank that does not come to an exchange.
};

// Whether this process was started by mpirun of Open MPI.
[[nodiscard]] bool IsLaunchedByMpi();

// Where the plug-in is looked for: beside the program, whether installed or in the build tree.
[[nodiscard]] std::string MpiPluginPath();

// Once a process. kUnimplemented names the file that is not there, and what gives it.
absl::StatusOr<std::unique_ptr<Collective>> StartMpi(const MpiOptions& options,
                                                     const std::string& plugin = MpiPluginPath());

}  // namespace dime::worker
