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
  DIME_ASSIGN_OR_RETURN(const bool pulled, plan_.pull_ahead ? PullAhead(step) : PullNow(step));
  if (!pulled) return false;
  loss_ = model_.TrainStep(batch_->batch, batch_->lookups, rows_, &pool_, &workspace_, &gradients_);
  if (!std::isfinite(loss_)) {
    if (is_pulling_) FinishPull().IgnoreError();  // The connection is left as others expect it.
    return base::FailedPrecondition(
        "training has diverged: the loss of step {} is {}; "
        "try a smaller learning rate, or look for extreme values in the input",
        step, std::isnan(loss_) ? "not a number" : "infinite");
  }
  meter.CountBatch(batch_->batch.num_examples);
  push_ = {.step = step,
           .micro_batch = micro_batch,
           .lookups = &batch_->lookups,
           .gradients = &gradients_,
           .pulls_ago = is_pulling_ ? 1 : 0};
  return true;
}

absl::StatusOr<const PreparedBatch*> TrainLoop::NextBatch() {
  const PreparedBatch* const next = batches_.Next();
  store_.meter().Lap(StepPhase::kReadWait);
  if (next == nullptr) DIME_RETURN_IF_ERROR(batches_.status());
  return next;
}

absl::StatusOr<bool> TrainLoop::PullNow(std::int64_t step) {
  DIME_ASSIGN_OR_RETURN(const PreparedBatch* const next, NextBatch());
  if (next == nullptr) return false;
  const Pull pull = {.lookups = &next->lookups, .step = step};
  DIME_ASSIGN_OR_RETURN(rows_, store_.Exchange(push_ ? &*push_ : nullptr, pull));
  store_.meter().Lap(StepPhase::kPullWait);
  if (push_) store_.meter().CountPush();
  push_.reset();
  batch_ = next;
  return true;
}

absl::StatusOr<bool> TrainLoop::PullAhead(std::int64_t step) {
  if (ahead_ == nullptr) {
    DIME_ASSIGN_OR_RETURN(ahead_, NextBatch());
    if (ahead_ == nullptr) return false;
  }
  if (!is_pulling_) DIME_RETURN_IF_ERROR(StartPull(step));
  DIME_RETURN_IF_ERROR(FinishPull());
  batch_ = ahead_;
  DIME_ASSIGN_OR_RETURN(ahead_, NextBatch());
  DIME_RETURN_IF_ERROR(ahead_ != nullptr ? StartPull(step + 1) : PushNow());
  return true;
}

absl::Status TrainLoop::StartPull(std::int64_t step) {
  const Pull pull = {.lookups = &ahead_->lookups, .step = step};
  DIME_RETURN_IF_ERROR(store_.StartExchange(push_ ? &*push_ : nullptr, pull));
  store_.meter().Lap(StepPhase::kPushWait);
  is_pulling_ = true;
  is_pushing_ = push_.has_value();
  push_.reset();
  return absl::OkStatus();
}

absl::Status TrainLoop::FinishPull() {
  is_pulling_ = false;
  DIME_ASSIGN_OR_RETURN(rows_, store_.FinishExchange());
  store_.meter().Lap(StepPhase::kPullWait);
  if (std::exchange(is_pushing_, false)) store_.meter().CountPush();
  return absl::OkStatus();
}

absl::Status TrainLoop::PushNow() {
  if (!push_) return absl::OkStatus();
  const Push push = *std::exchange(push_, std::nullopt);
  DIME_RETURN_IF_ERROR(store_.Exchange(&push, {}).status());
  store_.meter().Lap(StepPhase::kPullWait);
  store_.meter().CountPush();
  return absl::OkStatus();
}

absl::Status TrainLoop::Flush() {
  store_.meter().Lap(StepPhase::kCompute);
  // Others may use the store before the next step: the rows that are on their way are pulled again.
  if (is_pulling_) DIME_RETURN_IF_ERROR(FinishPull());
  return PushNow();
}

std::vector<models::LayerActivations> TrainLoop::Activations() const {
  return model_.Activations(workspace_);
}

}  // namespace dime::worker
