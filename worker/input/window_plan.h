// worker/input/window_plan.h - the order of examples that do not fit in memory: a function of
// (seed, epoch) alone.
//
// Examples lie in blocks. In each epoch the blocks are shuffled and cut into windows of so many
// bytes, and the examples of each window are shuffled. So an example may come up anywhere in an
// epoch, but those of one block come up in one window: neighbours in the file stay within a window
// of each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "worker/input/batch_schedule.h"
#include "worker/input/example_block.h"

namespace dime::worker {

struct Window {
  std::int64_t epoch = -1;
  std::int64_t first = 0;              // Its first example's position in the epoch.
  std::int64_t end = 0;                // Behind its last one.
  std::vector<std::size_t> blocks;     // Which, in this order.
  std::vector<std::int32_t> examples;  // Their examples in the order in which they come up: numbers
                                       // among those of the blocks, one block after the other.
};

class WindowPlan {
 public:
  // Blocks go into a window until the next one would make it larger than `window_bytes`; one that
  // is larger than that has a window of its own. `blocks` outlive this object.
  WindowPlan(const std::vector<BlockSize>& blocks, std::uint64_t window_bytes, std::uint64_t seed,
             Order order);

  [[nodiscard]] std::int64_t num_examples() const { return num_examples_; }

  // The window that the example at `position` of an epoch is in. `window` keeps its memory.
  void FindWindow(std::int64_t epoch, std::int64_t position, Window* window);

 private:
  void EnterEpoch(std::int64_t epoch);
  [[nodiscard]] std::size_t BlockAt(std::size_t place) const;
  void CutIntoWindows();

  const std::vector<BlockSize>& blocks_;
  const std::uint64_t window_bytes_;
  const std::uint64_t seed_;
  const Order order_;
  std::int64_t num_examples_ = 0;

  // Where a window starts.
  struct Start {
    std::size_t place = 0;      // Of its first block in block_order_.
    std::int64_t position = 0;  // Of its first example in the epoch.
  };

  // Of the epoch that was asked about last.
  std::int64_t epoch_ = -1;
  std::vector<std::size_t> block_order_;
  std::vector<Start> windows_;  // And the end of the last one.
};

}  // namespace dime::worker
