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

#include "cli/commands/commands.h"
#include "runtime/base/status.h"
#include "runtime/cluster/replica.h"

namespace dime::cli {

// What a process finds in its environment that was started here: which replica it is, and the
// directory.
inline constexpr char kReplicaVariable[] = "DIME_REPLICA";
inline constexpr char kDirectoryVariable[] = "DIME_RENDEZVOUS";

class LocalCluster {
 public:
  // Makes the directory.
  static absl::StatusOr<std::unique_ptr<LocalCluster>> Create();
  ~LocalCluster();  // Ends what still runs, and removes the directory.

  [[nodiscard]] const std::string& directory() const;

  struct Failure {
    std::string message;  // "worker-1 ended with exit code 65".
    int exit_code = 0;
  };
  // Starts this program once for each replica but the master, as `dime replica ARGS`. When one of
  // them fails the servers are ended, so that nobody waits for it, and `on_failure` is called from
  // another thread.
  absl::Status Start(const cluster::RoleCounts& counts, Words args,
                     std::function<void(const Failure&)> on_failure);

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
