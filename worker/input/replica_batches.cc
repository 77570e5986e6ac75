#include "worker/input/replica_batches.h"

#include <algorithm>
#include <utility>

#include "runtime/base/check.h"

namespace dime::worker {

ReplicaBatches::ReplicaBatches(std::unique_ptr<BatchSource> all, const ReplicaShare& share,
                               std::int64_t first_batch)
    : all_(std::move(all)), share_(share), first_batch_(first_batch) {
  DIME_CHECK(share.replica >= 0 && share.replica < share.num_replicas &&
             share.num_replicas <= share.micro_batches && first_batch >= 0);
}

std::optional<std::int64_t> ReplicaBatches::num_batches() const {
  const std::optional<std::int64_t> all = all_->num_batches();
  if (!all) return std::nullopt;
  const std::int64_t left = std::max<std::int64_t>(*all - first_batch_, 0);
  return left / share_.micro_batches * share_.BatchesPerStep();
}

absl::Status ReplicaBatches::Gather(std::int64_t index, models::Batch* batch) {
  const std::int64_t per_step = share_.BatchesPerStep();
  const std::int64_t step = index / per_step;
  const std::int64_t micro_batch = share_.replica + index % per_step * share_.num_replicas;
  return all_->Gather(first_batch_ + step * share_.micro_batches + micro_batch, batch);
}

}  // namespace dime::worker
