#include "worker/train_loop.h"

#include <cmath>

namespace dime::worker {

TrainLoop::TrainLoop(const models::Model& model, ParameterStore& store, Prefetcher& batches,
                     base::ThreadPool& pool, std::int64_t first_step)
    : model_(model), store_(store), batches_(batches), pool_(pool), step_(first_step) {}

absl::StatusOr<bool> TrainLoop::Step() {
  const PreparedBatch* const next = batches_.Next();
  if (next == nullptr) {
    DIME_RETURN_IF_ERROR(batches_.status());
    return false;
  }
  const Push push{.step = step_,
                  .lookups = gradients_wait_ ? &batch_->lookups : nullptr,
                  .gradients = &gradients_};
  DIME_ASSIGN_OR_RETURN(rows_, store_.Exchange(gradients_wait_ ? &push : nullptr, &next->lookups));
  gradients_wait_ = false;
  batch_ = next;
  loss_ = model_.TrainStep(batch_->batch, batch_->lookups, rows_, &pool_, &workspace_, &gradients_);
  if (!std::isfinite(loss_)) {
    return base::FailedPrecondition(
        "training has diverged: the loss of step {} is {}; "
        "try a smaller learning rate, or look for extreme values in the input",
        step_ + 1, std::isnan(loss_) ? "not a number" : "infinite");
  }
  gradients_wait_ = true;
  ++step_;
  return true;
}

absl::Status TrainLoop::Flush() {
  if (!gradients_wait_) return absl::OkStatus();
  const Push push{.step = step_, .lookups = &batch_->lookups, .gradients = &gradients_};
  gradients_wait_ = false;
  return store_.Exchange(&push, nullptr).status();
}

std::vector<models::LayerActivations> TrainLoop::Activations() const {
  return model_.Activations(workspace_);
}

}  // namespace dime::worker
