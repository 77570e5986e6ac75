// worker/job_store.h - a job's parameter store as its master sees it: in this process, or on the
// parameter servers that it rules.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <vector>

#include "models/model.h"
#include "ps/checkpointer.h"
#include "runtime/base/status.h"
#include "worker/cluster_options.h"
#include "worker/cluster_store.h"
#include "worker/coordination/wire.h"
#include "worker/in_process_store.h"
#include "worker/parameter_store.h"

namespace dime::worker {

class JobStore {
 public:
  // Makes the rows, from job.seed. `model` outlives the result. Waits for all replicas to be in
  // place: kDeadlineExceeded names those that do not come; kCancelled when asked to stop.
  static absl::StatusOr<std::unique_ptr<JobStore>> Open(const models::Model& model,
                                                        const ClusterOptions& cluster,
                                                        const JobStart& job,
                                                        const std::stop_token& stop);

  [[nodiscard]] ParameterStore& store();
  [[nodiscard]] ps::Checkpointer& checkpointer() {
    return in_process_ != nullptr ? in_process_->checkpointer() : *cluster_checkpointer_;
  }

  // The rows hold `first_step` steps; all replicas begin.
  absl::Status Start(std::int64_t first_step, std::int64_t last_step);

  // Waits until the rows hold `step` steps of all replicas, and returns how many they hold by then.
  // kDeadlineExceeded when nothing has moved for ten minutes; kCancelled when asked to stop.
  absl::StatusOr<std::int64_t> Await(std::int64_t step, const std::stop_token& stop);

  // The master has no batches at the moment: nobody waits for its pushes.
  absl::Status Leave();
  // Of each server; none in this process.
  absl::StatusOr<std::vector<ps::ServerStatistics>> ReadStatistics();

  // The job is over: all other replicas end.
  void Stop();

 private:
  JobStart job_;
  CoordinationServer* coordinator_ = nullptr;
  // Which of the two it is; the other one is null.
  std::unique_ptr<InProcessStore> in_process_;
  std::unique_ptr<ClusterStore> in_cluster_;
  std::unique_ptr<ps::Checkpointer> cluster_checkpointer_;  // Null: in this process.
};

}  // namespace dime::worker
