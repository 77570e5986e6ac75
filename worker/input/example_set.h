// worker/input/example_set.h - the encoded examples of a data set: in memory, or in a scratch file
// when they are too many.
//
// Threads: may be read by several.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "models/batch.h"
#include "runtime/base/status.h"
#include "worker/input/example_spill.h"

namespace dime::worker {

class ExampleSet {
 public:
  ExampleSet() = default;  // No examples.
  explicit ExampleSet(models::Batch examples) : memory_(std::move(examples)) {}
  // `window_bytes`: how much of them may be in memory at a time.
  ExampleSet(std::unique_ptr<ExampleSpill> spill, std::uint64_t window_bytes)
      : spill_(std::move(spill)), window_bytes_(window_bytes) {}

  [[nodiscard]] std::int64_t size() const {
    return spill_ == nullptr ? memory_.num_examples : spill_->num_examples();
  }
  // Where they are: one of the two is null.
  [[nodiscard]] const models::Batch* in_memory() const {
    return spill_ == nullptr ? &memory_ : nullptr;
  }
  [[nodiscard]] const ExampleSpill* spill() const { return spill_.get(); }

  [[nodiscard]] std::uint64_t window_bytes() const { return window_bytes_; }
  // About how many of the spilled examples fit in a window.
  [[nodiscard]] std::int64_t examples_per_window() const;

 private:
  models::Batch memory_;
  std::unique_ptr<ExampleSpill> spill_;
  std::uint64_t window_bytes_ = 0;
};

// Reads a set from its start on. Threads: one.
class ExampleCursor {
 public:
  explicit ExampleCursor(const ExampleSet& examples) : examples_(examples) {}

  // The next `count` examples; fewer only at the end.
  absl::Status Next(std::int64_t count, models::Batch* batch);

 private:
  absl::StatusOr<std::int64_t> TakeFromBlock(std::int64_t most, models::Batch* batch);

  const ExampleSet& examples_;
  std::int64_t position_ = 0;
  std::int64_t next_block_ = 0;
  models::Batch block_;  // The one before that.
  std::int64_t position_in_block_ = 0;
  std::string buffer_;
};

}  // namespace dime::worker
