#include "worker/input/spilled_batches.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace dime::worker {
namespace {

// Examples as they were read need no large window: they are not shuffled.
constexpr std::uint64_t kMaxWindowBytesInOrder = std::uint64_t{8} << 20;
// A window's examples and ids are numbered with 32 bits, and take 8 bytes at least.
constexpr std::uint64_t kMaxWindowBytes = std::uint64_t{8} << 30;

std::uint64_t WindowBytes(const ExampleSet& examples, Order order) {
  return std::min(examples.window_bytes(),
                  order == Order::kAsRead ? kMaxWindowBytesInOrder : kMaxWindowBytes);
}

// The number of examples in all epochs, or the largest number when there is no such end.
std::int64_t NumPositions(std::int64_t num_examples, std::int64_t num_epochs) {
  std::int64_t total = 0;
  const bool is_endless =
      num_epochs == 0 || __builtin_mul_overflow(num_examples, num_epochs, &total);
  return is_endless ? std::numeric_limits<std::int64_t>::max() : total;
}

// Makes room in `batch` for `num_examples` like those of `block`, and a few more, lest its memory
// grows in leaps.
void ReserveLike(const models::Batch& block, std::size_t num_examples, models::Batch* batch) {
  const auto for_all = [&](std::size_t size_in_block) {
    const std::size_t size =
        size_in_block * num_examples / static_cast<std::size_t>(block.num_examples);
    return size + size / 16;
  };
  for (std::size_t c = 0; c < block.ids.size(); ++c) {
    batch->ids[c].ids.reserve(for_all(block.ids[c].ids.size()));
    batch->ids[c].offsets.reserve(for_all(block.ids[c].offsets.size()));
    batch->ids[c].weights.reserve(for_all(block.ids[c].weights.size()));
  }
  for (std::size_t c = 0; c < block.floats.size(); ++c) {
    batch->floats[c].values.reserve(for_all(block.floats[c].values.size()));
  }
  batch->labels.reserve(for_all(block.labels.size()));
  batch->weights.reserve(for_all(block.weights.size()));
}

}  // namespace

SpilledBatches::SpilledBatches(const ExampleSet& examples, const BatchOptions& options)
    : spill_(*examples.spill()),
      options_(options),
      num_positions_(NumPositions(examples.size(), options.num_epochs)),
      plan_(spill_.blocks(), WindowBytes(examples, options.order), options.seed, options.order) {}

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
  for (const std::size_t number : loaded->window.blocks) {
    if (stop_.load()) return base::Cancelled("stopped while reading ahead");
    DIME_RETURN_IF_ERROR(spill_.Read(static_cast<std::int64_t>(number), &buffer, &block));
    if (std::exchange(is_first, false)) {
      models::GatherExamples(block, {}, &examples);  // None of them, but their columns.
      ReserveLike(block, loaded->window.examples.size(), &examples);
    }
    models::AppendExamples(block, &examples);
  }
  return absl::OkStatus();
}

}  // namespace dime::worker
