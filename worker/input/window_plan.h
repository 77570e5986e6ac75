// worker/input/window_plan.h - the order of examples that do not fit in memory: a function of
// (seed, epoch) alone.
//
// Examples lie in blocks of equal size. In each epoch the blocks are shuffled, cut into windows of
// so many blocks, and the examples of each window are shuffled. So an example may come up anywhere
// in an epoch, but those of one block come up in one window: neighbours in the file stay within a
// window of each other.
#pragma once

#include <cstdint>
#include <vector>

#include "worker/input/batch_schedule.h"

namespace dime::worker {

struct WindowShape {
  std::int64_t num_examples = 0;
  std::int64_t examples_per_block = 1;  // The last block may have fewer.
  std::int64_t blocks_per_window = 1;   // The last window may have fewer.
};

struct Window {
  std::int64_t epoch = -1;
  std::int64_t first = 0;              // Its first example's position in the epoch.
  std::int64_t end = 0;                // Behind its last one.
  std::vector<std::int64_t> blocks;    // Which, in this order.
  std::vector<std::int32_t> examples;  // Their examples in the order in which they come up: numbers
                                       // among those of the blocks, one block after the other.
};

class WindowPlan {
 public:
  WindowPlan(const WindowShape& shape, std::uint64_t seed, Order order);

  // The window that the example at `position` of an epoch is in. `window` keeps its memory.
  void FindWindow(std::int64_t epoch, std::int64_t position, Window* window);

 private:
  void EnterEpoch(std::int64_t epoch);
  [[nodiscard]] std::int64_t BlockAt(std::int64_t place) const;
  [[nodiscard]] std::int64_t FirstPosition(std::int64_t window) const;

  const WindowShape shape_;
  const std::uint64_t seed_;
  const Order order_;
  const std::int64_t num_blocks_;
  const std::int64_t num_windows_;

  // Of the epoch that was asked about last.
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> block_order_;
  std::int64_t window_of_last_block_ = 0;  // Of the file's last one, which may be shorter.
};

}  // namespace dime::worker
