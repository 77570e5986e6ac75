#include "worker/input/example_set.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace dime::worker {
namespace {

// The examples [first, first + count) of a batch.
void CopyRange(const models::Batch& from, std::int64_t first, std::int64_t count,
               models::Batch* to) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), first);
  models::GatherExamples(from, indices, to);
}

}  // namespace

std::int64_t ExampleSet::examples_per_window() const {
  const double part =
      static_cast<double>(window_bytes_) / static_cast<double>(spill_->memory_bytes());
  return static_cast<std::int64_t>(std::min(part, 1.0) * static_cast<double>(size()));
}

absl::Status ExampleCursor::Next(std::int64_t count, models::Batch* batch) {
  count = std::min(count, examples_.size() - position_);
  if (const models::Batch* const memory = examples_.in_memory()) {
    CopyRange(*memory, position_, count, batch);
    position_ += count;
    return absl::OkStatus();
  }
  if (count == 0) CopyRange(block_, 0, 0, batch);
  models::Batch part;
  for (std::int64_t taken = 0; taken < count;) {
    DIME_ASSIGN_OR_RETURN(const std::int64_t more,
                          TakeFromBlock(count - taken, taken == 0 ? batch : &part));
    if (taken > 0) models::AppendExamples(part, batch);
    taken += more;
  }
  return absl::OkStatus();
}

// What the block with the next example has of the next `most`. Returns how many these are.
absl::StatusOr<std::int64_t> ExampleCursor::TakeFromBlock(std::int64_t most, models::Batch* batch) {
  if (position_in_block_ == block_.num_examples) {
    block_.num_examples = position_in_block_ = 0;  // Until it is whole again.
    DIME_RETURN_IF_ERROR(examples_.spill()->Read(next_block_, &buffer_, &block_));
    ++next_block_;
  }
  const std::int64_t count = std::min(most, block_.num_examples - position_in_block_);
  CopyRange(block_, position_in_block_, count, batch);
  position_in_block_ += count;
  position_ += count;
  return count;
}

}  // namespace dime::worker
