#include "worker/input/example_set.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace dime::worker {
namespace {

// The examples [first, first + count) of a batch.
void CopyExamples(const models::Batch& from, std::int64_t first, std::int64_t count,
                  models::Batch* to) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), first);
  models::GatherExamples(from, indices, to);
}

}  // namespace

std::int64_t ExampleSet::blocks_per_window() const {
  const std::uint64_t example_bytes =
      spill_->memory_bytes() / static_cast<std::uint64_t>(spill_->num_examples());
  const std::uint64_t block_bytes = std::max<std::uint64_t>(
      example_bytes * static_cast<std::uint64_t>(spill_->examples_per_block()), 1);
  return static_cast<std::int64_t>(std::clamp<std::uint64_t>(
      window_bytes_ / block_bytes, 1, static_cast<std::uint64_t>(spill_->num_blocks())));
}

absl::Status ExampleCursor::Next(std::int64_t count, models::Batch* batch) {
  count = std::min(count, examples_.size() - position_);
  if (const models::Batch* const memory = examples_.in_memory()) {
    CopyExamples(*memory, position_, count, batch);
    position_ += count;
    return absl::OkStatus();
  }
  if (count == 0) CopyExamples(block_, 0, 0, batch);
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
  const ExampleSpill& spill = *examples_.spill();
  const std::int64_t block = position_ / spill.examples_per_block();
  if (block != block_number_) {
    block_number_ = -1;
    DIME_RETURN_IF_ERROR(spill.Read(block, &buffer_, &block_));
    block_number_ = block;
  }
  const std::int64_t first = position_ % spill.examples_per_block();
  const std::int64_t count = std::min(most, block_.num_examples - first);
  CopyExamples(block_, first, count, batch);
  position_ += count;
  return count;
}

}  // namespace dime::worker
