#include "worker/input/spilled_batches.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "worker/input/example_block.h"

namespace dime::worker {
namespace {

// Examples as they were read need no large window: they are not shuffled.
constexpr std::int64_t kMaxBlocksInOrder = 8;

WindowShape ShapeOf(const ExampleSet& examples, Order order) {
  const std::int64_t block = examples.spill()->examples_per_block();
  std::int64_t blocks = std::min<std::int64_t>(examples.blocks_per_window(),
                                               std::numeric_limits<std::int32_t>::max() / block);
  if (order == Order::kAsRead) blocks = std::min(blocks, kMaxBlocksInOrder);
  return {
      .num_examples = examples.size(), .examples_per_block = block, .blocks_per_window = blocks};
}

// The number of examples in all epochs, or the largest number when there is no such end.
std::int64_t NumPositions(std::int64_t num_examples, std::int64_t num_epochs) {
  std::int64_t total = 0;
  const bool is_endless =
      num_epochs == 0 || __builtin_mul_overflow(num_examples, num_epochs, &total);
  return is_endless ? std::numeric_limits<std::int64_t>::max() : total;
}

// Keeps the memory of `batch` from growing in leaps.
void Reserve(std::size_t num_examples, models::Batch* batch) {
  for (models::IdColumn& column : batch->ids) column.ids.reserve(num_examples);
  for (models::FloatColumn& column : batch->floats) {
    column.values.reserve(num_examples * static_cast<std::size_t>(column.dim));
  }
  batch->labels.reserve(num_examples);
}

}  // namespace

SpilledBatches::SpilledBatches(const ExampleSet& examples, const BatchOptions& options)
    : spill_(*examples.spill()),
      options_(options),
      num_positions_(NumPositions(examples.size(), options.num_epochs)),
      plan_(ShapeOf(examples, options.order), options.seed, options.order) {}

SpilledBatches::~SpilledBatches() {
  stop_.store(true);
  if (reading_.valid()) reading_.wait();
}

std::optional<std::int64_t> SpilledBatches::num_batches() const {
  if (options_.num_epochs == 0) return std::nullopt;
  return num_positions_ / options_.batch_size + (num_positions_ % options_.batch_size != 0 ? 1 : 0);
}

absl::Status SpilledBatches::Gather(std::int64_t index, models::Batch* batch) {
  batch->num_examples = 0;
  // Before the product below can overflow.
  if (index > num_positions_ / options_.batch_size) return absl::OkStatus();
  std::int64_t position = index * options_.batch_size;
  const std::int64_t end = position + std::min(options_.batch_size, num_positions_ - position);
  for (bool is_first = true; position < end; is_first = false) {
    const std::int64_t in_epoch = position % spill_.num_examples();
    DIME_RETURN_IF_ERROR(EnterWindow(position / spill_.num_examples(), in_epoch));
    const Window& window = current_->window;
    const std::int64_t count = std::min(end - position, window.end - in_epoch);
    const auto from = window.examples.begin() + (in_epoch - window.first);
    indices_.assign(from, from + count);
    models::GatherExamples(current_->examples, indices_, is_first ? batch : &part_);
    if (!is_first) models::AppendExamples(part_, batch);
    position += count;
  }
  batch->random_key = RandomKeyOf(options_, index);
  return absl::OkStatus();
}

// Makes the window with a position the current one.
absl::Status SpilledBatches::EnterWindow(std::int64_t epoch, std::int64_t position) {
  const auto has_it = [&](const Loaded& loaded) {
    return loaded.window.epoch == epoch && position >= loaded.window.first &&
           position < loaded.window.end;
  };
  if (has_it(*current_)) return absl::OkStatus();
  if (reading_.valid()) reading_.get();  // Throws what the thread has thrown (no memory).
  if (has_it(*next_)) {
    std::swap(current_, next_);
  } else {
    plan_.FindWindow(epoch, position, &current_->window);
    Load(current_.get());
  }
  if (!current_->status.ok()) {
    current_->window.epoch = -1;
    return current_->status;
  }
  ReadAhead();
  return absl::OkStatus();
}

// Starts to read the window after the current one.
void SpilledBatches::ReadAhead() {
  const Window& current = current_->window;
  const bool ends_epoch = current.end == spill_.num_examples();
  const std::int64_t epoch = current.epoch + (ends_epoch ? 1 : 0);
  if (options_.num_epochs > 0 && epoch >= options_.num_epochs) {
    next_->window.epoch = -1;
    return;
  }
  plan_.FindWindow(epoch, ends_epoch ? 0 : current.end, &next_->window);
  reading_ = std::async(std::launch::async, [this] { Load(next_.get()); });
}

void SpilledBatches::Load(Loaded* loaded) const { loaded->status = LoadBlocks(loaded); }

absl::Status SpilledBatches::LoadBlocks(Loaded* loaded) const {
  models::Batch& examples = loaded->examples;
  std::string buffer;
  models::Batch block;
  bool is_first = true;
  for (const std::int64_t number : loaded->window.blocks) {
    if (stop_.load()) return base::Cancelled("stopped while reading ahead");
    DIME_RETURN_IF_ERROR(spill_.Read(number, &buffer, &block));
    if (std::exchange(is_first, false)) {
      models::GatherExamples(block, {}, &examples);  // None of them, but their columns.
      Reserve(loaded->window.examples.size(), &examples);
    }
    models::AppendExamples(block, &examples);
  }
  return absl::OkStatus();
}

}  // namespace dime::worker
