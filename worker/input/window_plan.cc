#include "worker/input/window_plan.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/base/random.h"

namespace dime::worker {
namespace {

std::int64_t DivideUp(std::int64_t number, std::int64_t by) {
  return number / by + (number % by != 0 ? 1 : 0);
}

// Fisher and Yates' shuffle.
template <typename T>
void Shuffle(base::RandomStream random, std::span<T> values) {
  for (std::size_t left = values.size(); left > 1; --left) {
    std::swap(values[left - 1], values[random.NextBelow(left)]);
  }
}

}  // namespace

WindowPlan::WindowPlan(const WindowShape& shape, std::uint64_t seed, Order order)
    : shape_(shape),
      seed_(seed),
      order_(order),
      num_blocks_(DivideUp(shape.num_examples, shape.examples_per_block)),
      num_windows_(DivideUp(num_blocks_, shape.blocks_per_window)) {
  DIME_CHECK(shape.num_examples > 0);
  DIME_CHECK(shape.blocks_per_window <=
             std::numeric_limits<std::int32_t>::max() / shape.examples_per_block);
}

void WindowPlan::FindWindow(std::int64_t epoch, std::int64_t position, Window* window) {
  DIME_CHECK(position >= 0 && position < shape_.num_examples);
  EnterEpoch(epoch);
  std::int64_t index = position / (shape_.blocks_per_window * shape_.examples_per_block);
  while (position >= FirstPosition(index + 1)) ++index;  // At most once.
  window->epoch = epoch;
  window->first = FirstPosition(index);
  window->end = FirstPosition(index + 1);
  window->blocks.clear();
  const std::int64_t first_block = index * shape_.blocks_per_window;
  const std::int64_t end_block = std::min(first_block + shape_.blocks_per_window, num_blocks_);
  for (std::int64_t b = first_block; b < end_block; ++b) window->blocks.push_back(BlockAt(b));
  window->examples.resize(static_cast<std::size_t>(window->end - window->first));
  std::iota(window->examples.begin(), window->examples.end(), 0);
  if (order_ == Order::kAsRead) return;
  const auto number = static_cast<std::uint64_t>(epoch) * static_cast<std::uint64_t>(num_windows_) +
                      static_cast<std::uint64_t>(index);
  Shuffle(base::RandomStream(seed_, "shuffle window", number), std::span(window->examples));
}

void WindowPlan::EnterEpoch(std::int64_t epoch) {
  if (epoch == epoch_) return;
  epoch_ = epoch;
  window_of_last_block_ = num_windows_ - 1;
  if (order_ == Order::kAsRead) return;
  block_order_.resize(static_cast<std::size_t>(num_blocks_));
  std::iota(block_order_.begin(), block_order_.end(), 0);
  Shuffle(base::RandomStream(seed_, "shuffle blocks", static_cast<std::uint64_t>(epoch)),
          std::span(block_order_));
  const auto last = std::ranges::find(block_order_, num_blocks_ - 1);
  window_of_last_block_ = (last - block_order_.begin()) / shape_.blocks_per_window;
}

std::int64_t WindowPlan::BlockAt(std::int64_t place) const {
  return order_ == Order::kAsRead ? place : block_order_[static_cast<std::size_t>(place)];
}

std::int64_t WindowPlan::FirstPosition(std::int64_t window) const {
  if (window >= num_windows_) return shape_.num_examples;
  const std::int64_t if_all_were_full =
      window * shape_.blocks_per_window * shape_.examples_per_block;
  const std::int64_t missing = num_blocks_ * shape_.examples_per_block - shape_.num_examples;
  return if_all_were_full - (window > window_of_last_block_ ? missing : 0);
}

}  // namespace dime::worker
