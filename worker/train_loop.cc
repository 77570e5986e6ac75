#include "worker/train_loop.h"

#include <cmath>
#include <utility>

namespace dime::worker {

TrainLoop::TrainLoop(const models::Model& model, ParameterStore& store, Prefetcher& batches,
                     base::ThreadPool& pool, std::int64_t first_step, const StepPlan& plan)
    : model_(model),
      store_(store),
      batches_(batches),
      pool_(pool),
      plan_(plan),
      step_(first_step) {}

absl::StatusOr<bool> TrainLoop::Step() {
  double loss = 0;
  int num_batches = 0;
  num_examples_ = 0;
  for (int m = plan_.first; m < plan_.micro_batches; m += plan_.stride, ++num_batches) {
    DIME_ASSIGN_OR_RETURN(const bool taken, TakeBatch(step_ + 1, m));
    if (!taken) return false;
    loss += loss_;
    num_examples_ += batch_->batch.num_examples;
  }
  loss_ = loss / num_batches;
  step_ = plan_.in_common ? step_ + 1 : store_.version() + 1;
  return true;
}

absl::StatusOr<bool> TrainLoop::TakeBatch(std::int64_t step, int micro_batch) {
  ReplicaMeter& meter = store_.meter();
  meter.Lap(StepPhase::kCompute);
  const PreparedBatch* const next = batches_.Next();
  meter.Lap(StepPhase::kReadWait);
  if (next == nullptr) {
    DIME_RETURN_IF_ERROR(batches_.status());
    return false;
  }
  const Pull pull = {.lookups = &next->lookups, .step = step};
  DIME_ASSIGN_OR_RETURN(rows_, store_.Exchange(push_ ? &*push_ : nullptr, pull));
  meter.Lap(StepPhase::kPullWait);
  if (push_) meter.CountPush();
  push_.reset();
  batch_ = next;
  loss_ = model_.TrainStep(batch_->batch, batch_->lookups, rows_, &pool_, &workspace_, &gradients_);
  if (!std::isfinite(loss_)) {
    return base::FailedPrecondition(
        "training has diverged: the loss of step {} is {}; "
        "try a smaller learning rate, or look for extreme values in the input",
        step, std::isnan(loss_) ? "not a number" : "infinite");
  }
  meter.CountBatch(batch_->batch.num_examples);
  push_ = {.step = step,
           .micro_batch = micro_batch,
           .lookups = &batch_->lookups,
           .gradients = &gradients_};
  return true;
}

absl::Status TrainLoop::Flush() {
  if (!push_) return absl::OkStatus();
  const Push push = *std::exchange(push_, std::nullopt);
  store_.meter().Lap(StepPhase::kCompute);
  DIME_RETURN_IF_ERROR(store_.Exchange(&push, {}).status());
  store_.meter().Lap(StepPhase::kPullWait);
  store_.meter().CountPush();
  return absl::OkStatus();
}

std::vector<models::LayerActivations> TrainLoop::Activations() const {
  return model_.Activations(workspace_);
}

}  // namespace dime::worker
