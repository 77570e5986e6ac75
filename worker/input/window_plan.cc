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

// Fisher and Yates' shuffle.
template <typename T>
void Shuffle(base::RandomStream random, std::span<T> values) {
  for (std::size_t left = values.size(); left > 1; --left) {
    std::swap(values[left - 1], values[random.NextBelow(left)]);
  }
}

}  // namespace

WindowPlan::WindowPlan(const std::vector<BlockSize>& blocks, std::uint64_t window_bytes,
                       std::uint64_t seed, Order order)
    : blocks_(blocks), window_bytes_(window_bytes), seed_(seed), order_(order) {
  DIME_CHECK(!blocks.empty());
  for (const BlockSize& block : blocks) num_examples_ += block.num_examples;
}

void WindowPlan::FindWindow(std::int64_t epoch, std::int64_t position, Window* window) {
  DIME_CHECK(position >= 0 && position < num_examples_);
  EnterEpoch(epoch);
  const auto next = std::ranges::upper_bound(windows_, position, {}, &Start::position);
  const Start& start = *(next - 1);
  window->epoch = epoch;
  window->first = start.position;
  window->end = next->position;
  window->blocks.clear();
  for (std::size_t b = start.place; b < next->place; ++b) window->blocks.push_back(BlockAt(b));
  DIME_CHECK(window->end - window->first <= std::numeric_limits<std::int32_t>::max());
  window->examples.resize(static_cast<std::size_t>(window->end - window->first));
  std::iota(window->examples.begin(), window->examples.end(), 0);
  if (order_ == Order::kAsRead) return;
  const auto first_of_all_epochs =
      static_cast<std::uint64_t>(epoch) * static_cast<std::uint64_t>(num_examples_) +
      static_cast<std::uint64_t>(window->first);
  Shuffle(base::RandomStream(seed_, "shuffle window", first_of_all_epochs),
          std::span(window->examples));
}

void WindowPlan::EnterEpoch(std::int64_t epoch) {
  if (epoch == epoch_) return;
  const bool is_same_order = order_ == Order::kAsRead && epoch_ >= 0;
  epoch_ = epoch;
  if (is_same_order) return;
  if (order_ == Order::kShuffled) {
    block_order_.resize(blocks_.size());
    std::iota(block_order_.begin(), block_order_.end(), 0);
    Shuffle(base::RandomStream(seed_, "shuffle blocks", static_cast<std::uint64_t>(epoch)),
            std::span(block_order_));
  }
  CutIntoWindows();
}

std::size_t WindowPlan::BlockAt(std::size_t place) const {
  return order_ == Order::kAsRead ? place : block_order_[place];
}

void WindowPlan::CutIntoWindows() {
  windows_.assign(1, Start());
  std::uint64_t bytes = 0;  // Of the last window so far.
  std::int64_t position = 0;
  for (std::size_t place = 0; place < blocks_.size(); ++place) {
    const BlockSize& block = blocks_[BlockAt(place)];
    if (bytes > 0 && bytes + block.memory_bytes > window_bytes_) {
      windows_.push_back({.place = place, .position = position});
      bytes = 0;
    }
    bytes += block.memory_bytes;
    position += block.num_examples;
  }
  windows_.push_back({.place = blocks_.size(), .position = position});
}

}  // namespace dime::worker
