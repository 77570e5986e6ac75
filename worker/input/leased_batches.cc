#include "worker/input/leased_batches.h"

#include <utility>

namespace dime::worker {

absl::Status LeasedBatches::Gather(std::int64_t /*index*/, models::Batch* batch) {
  constexpr std::int64_t kPartLeft = 4;
  if (lease_.size() == 0) {
    DIME_RETURN_IF_ERROR(Ask());
    has_asked_ = false;
    DIME_ASSIGN_OR_RETURN(const std::optional<BatchRange> lease, leases_->Take());
    if (!lease) {
      batch->num_examples = 0;
      return absl::OkStatus();
    }
    lease_ = *lease;
    ask_at_ = lease_.size() / kPartLeft + 1;
  }
  if (lease_.size() <= ask_at_) DIME_RETURN_IF_ERROR(Ask());
  return all_->Gather(lease_.first++, batch);
}

absl::Status LeasedBatches::Ask() {
  return std::exchange(has_asked_, true) ? absl::OkStatus() : leases_->Ask();
}

}  // namespace dime::worker
