#include "worker/input/batch_schedule.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/base/random.h"

namespace dime::worker {
namespace {

// num_records * num_epochs, or the largest number when there is no such end.
std::int64_t TotalRecords(std::int64_t num_records, std::int64_t num_epochs) {
  std::int64_t total = 0;
  if (num_epochs == 0 || __builtin_mul_overflow(num_records, num_epochs, &total)) {
    return std::numeric_limits<std::int64_t>::max();
  }
  return total;
}

}  // namespace

BatchSchedule::BatchSchedule(std::int64_t num_records, std::int64_t batch_size,
                             std::int64_t num_epochs, std::uint64_t seed, Order order)
    : num_records_(num_records),
      batch_size_(batch_size),
      num_epochs_(num_records == 0 ? 1 : num_epochs),
      seed_(seed),
      order_(order) {
  DIME_CHECK(num_records >= 0 && num_records <= std::numeric_limits<std::int32_t>::max());
  DIME_CHECK(batch_size > 0 && num_epochs >= 0);
}

std::optional<std::int64_t> BatchSchedule::num_batches() const {
  if (num_epochs_ == 0) return std::nullopt;
  const std::int64_t total = TotalRecords(num_records_, num_epochs_);
  return total / batch_size_ + (total % batch_size_ != 0 ? 1 : 0);
}

void BatchSchedule::RecordsOf(std::int64_t index, std::vector<std::int64_t>* records) {
  records->clear();
  const std::int64_t total = TotalRecords(num_records_, num_epochs_);
  if (index > total / batch_size_) return;  // Before the product below can overflow.
  std::int64_t position = index * batch_size_;
  std::int64_t wanted = std::min(batch_size_, total - position);
  while (wanted > 0) {
    EnterEpoch(position / num_records_);
    const std::int64_t first = position % num_records_;
    const std::int64_t count = std::min(wanted, num_records_ - first);
    if (order_ == Order::kShuffled) {
      const auto from = permutation_.begin() + first;
      records->insert(records->end(), from, from + count);
    } else {
      for (std::int64_t i = 0; i < count; ++i) records->push_back(first + i);
    }
    position += count;
    wanted -= count;
  }
}

void BatchSchedule::EnterEpoch(std::int64_t epoch) {
  if (order_ == Order::kAsRead || epoch == epoch_) return;
  epoch_ = epoch;
  permutation_.resize(static_cast<std::size_t>(num_records_));
  std::iota(permutation_.begin(), permutation_.end(), 0);
  // Fisher and Yates' shuffle, from the identity: an epoch does not depend on the ones before it.
  base::RandomStream random(seed_, "shuffle", static_cast<std::uint64_t>(epoch));
  for (std::size_t left = permutation_.size(); left > 1; --left) {
    std::swap(permutation_[left - 1], permutation_[random.NextBelow(left)]);
  }
}

}  // namespace dime::worker
