#include "worker/job_batches.h"

#include <algorithm>
#include <utility>

#include "worker/input/leased_batches.h"
#include "worker/input/replica_batches.h"

namespace dime::worker {

absl::Status JobBatches::Begin(std::int64_t step) {
  first_step_ = step;
  last_step_ = options_.train_steps;
  // Steps in common take their batches in order, and a new job has taken none: the page, which may
  // be damaged, matters to neither.
  if (step > 0 && !options_.cluster.in_common()) {
    DIME_ASSIGN_OR_RETURN(done_at_start_,
                          ReadDoneBatches(directory_.file_system(), directory_.path(), step));
  }
  done_ = done_at_start_.ranges;
  if (const std::optional<std::int64_t> num_batches = MakeAll()->num_batches()) {
    const bool in_common = options_.cluster.in_common();
    const std::int64_t per_step = in_common ? options_.cluster.micro_batches : std::int64_t{1};
    if (*num_batches < per_step) {
      return base::InvalidArgument(
          "the training data make {} batches in {} epochs, and a step takes {}: read more data, "
          "or more often, or take smaller batches",
          *num_batches, options_.num_epochs, per_step);
    }
    // Of a killed run some batches may be in the rows and yet have to be taken again.
    const std::int64_t num_steps =
        in_common ? *num_batches / per_step : step + *num_batches - SizeOf(done_);
    last_step_ = last_step_ > 0 ? std::min(last_step_, num_steps) : num_steps;
  }
  if (!options_.cluster.in_common()) OpenLeases();
  return absl::OkStatus();
}

std::unique_ptr<BatchSource> JobBatches::MakeAll() const {
  return MakeBatchSource(data_.examples, {.batch_size = options_.train_batch_size,
                                          .num_epochs = options_.num_epochs,
                                          .seed = directory_.seed(),
                                          .order = directory_.order()});
}

// What the steps so far have used, and how many more there are to be.
void JobBatches::OpenLeases() {
  LeaseOptions leases{.num_replicas = options_.cluster.num_replicas,
                      .done = done_at_start_.ranges,
                      .num_perhaps_pushed = done_at_start_.num_perhaps,
                      .batch_size = options_.train_batch_size};
  if (last_step_ > 0) leases.num_batches = std::max<std::int64_t>(last_step_ - first_step_, 0);
  if (options_.num_epochs > 0) leases.num_uses = options_.num_epochs * data_.examples.size();
  leases_.emplace(std::move(leases));
}

std::unique_ptr<BatchSource> JobBatches::MakeOwn(std::int64_t step, ReplicaMeter& meter) {
  const ClusterOptions& cluster = options_.cluster;
  if (leases_) {
    return std::make_unique<LeasedBatches>(
        MakeAll(), std::make_unique<OwnLeases>(*leases_, cluster.replica, meter));
  }
  return std::make_unique<ReplicaBatches>(MakeAll(), cluster.Share(), cluster.FirstBatch(step));
}

void JobBatches::NoteDone() {
  if (leases_) done_ = leases_->Done();
}

absl::Status JobBatches::SaveDone(std::int64_t step) const {
  DoneBatches done = {.ranges = {{0, step}}};
  if (leases_) {
    // What else has been pushed since this run began.
    const std::int64_t num_done = SizeOf(done_) - SizeOf(done_at_start_.ranges);
    done = {.ranges = done_,
            .num_perhaps = std::max<std::int64_t>(step - first_step_ - num_done, 0)};
    if (step == first_step_) done.num_perhaps = done_at_start_.num_perhaps;
  }
  return WriteDoneBatches(directory_.file_system(), directory_.path(), step, done);
}

}  // namespace dime::worker
