// cli/local_cluster.h - a job as several processes of this host: workers and parameter servers
// beside the master, which is the process that the user has started.
//
// They meet in a directory that only their user can enter. No process outlives the master, however
// it ends.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "runtime/base/status.h"
#include "runtime/cluster/replica.h"
#include "worker/coordination/coordinator.h"

namespace dime::cli {

// What a process finds in its environment that was started here: which replica it is, and the
// directory.
inline constexpr char kReplicaVariable[] = "DIME_REPLICA";
inline constexpr char kDirectoryVariable[] = "DIME_RENDEZVOUS";
inline constexpr char kIncarnationVariable[] = "DIME_INCARNATION";  // Which start of it, from 0.
// The same in a master's environment, whose supervisor has made the directory, and removes it.
inline constexpr char kMadeDirectoryVariable[] = "DIME_DIRECTORY";
// An empty one, which nobody else may enter.
absl::StatusOr<std::string> MakeClusterDirectory();

class LocalCluster {
 public:
  // Makes the directory, unless it was made.
  static absl::StatusOr<std::unique_ptr<LocalCluster>> Create();
  ~LocalCluster();  // Ends what still runs, and removes the directory.

  [[nodiscard]] const std::string& directory() const;

  struct Failure {
    std::string message;  // "worker-1 ended with exit code 65".
    int exit_code = 0;
  };
  struct Watching {
    // One of them has failed, and is not started again. Called once, from another thread.
    std::function<void(const Failure&)> on_failure;
    // Those that are to be killed.
    std::function<std::vector<worker::HungReplica>()> take_hung;
    std::stop_token job_ended;
    // Workers that end before their work is done are started again; see RestartPolicy. So is an
    // evaluator that a signal has ended, always.
    bool workers_return = false;
  };
  // Starts this program once for each replica but the master, as `dime replica ARGS`. When one of
  // them has failed the servers are ended, so that nobody waits for it.
  absl::Status Start(const cluster::RoleCounts& counts, Words args, Watching watching);

  // Waits for all to end by themselves, for some seconds at most; for the evaluator, which may have
  // much to do still, until it has ended or `stop` says so. How it has failed, if it has.
  std::optional<Failure> Join(const std::stop_token& stop);

  // Once the master has failed: the replica that is the cause, if it is one of these. Waits for
  // half a second at most.
  [[nodiscard]] std::optional<Failure> AwaitFailure() const;

 private:
  class Impl;
  explicit LocalCluster(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::cli
