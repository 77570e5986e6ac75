// worker/job_batches.h - which batches a job's replicas take, as its master sees it: those of steps
// in common, or leased ones; and which of them are done.
//
// Threads: one, that of training; the book of leases has its own rule.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/base/status.h"
#include "worker/input/batch_source.h"
#include "worker/input/dataset.h"
#include "worker/job_directory.h"
#include "worker/leases/lease_book.h"
#include "worker/leases/lease_file.h"
#include "worker/report/replica_meter.h"
#include "worker/training_job.h"

namespace dime::worker {

class JobBatches {
 public:
  // All of them outlive what is done here.
  JobBatches(const TrainingOptions& options, const JobDirectory& directory, const Dataset& data)
      : options_(options), directory_(directory), data_(data) {}

  // The rows hold `step` steps. kInvalidArgument when there is not data enough for one more.
  absl::Status Begin(std::int64_t step);

  // Where training ends; 0: it does not.
  [[nodiscard]] std::int64_t last_step() const { return last_step_; }
  // Null where steps are taken in common.
  [[nodiscard]] LeaseBook* leases() { return leases_ ? &*leases_ : nullptr; }

  // The master's own, from step `step` on.
  [[nodiscard]] std::unique_ptr<BatchSource> MakeOwn(std::int64_t step, ReplicaMeter& meter);

  // Before it is asked how many steps the rows hold: what is done by now is among them.
  void NoteDone();
  // Writes down what the rows of checkpoint `step` hold.
  [[nodiscard]] absl::Status SaveDone(std::int64_t step) const;

 private:
  [[nodiscard]] std::unique_ptr<BatchSource> MakeAll() const;
  void OpenLeases();

  const TrainingOptions& options_;
  const JobDirectory& directory_;
  const Dataset& data_;
  std::int64_t first_step_ = 0;
  std::int64_t last_step_ = 0;
  DoneBatches done_at_start_;     // Of the checkpoint that the run began with.
  std::vector<BatchRange> done_;  // As noted.
  std::optional<LeaseBook> leases_;
};

}  // namespace dime::worker
