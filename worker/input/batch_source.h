// worker/input/batch_source.h - makes batch N of a set of examples, whichever N.
//
// What is in batch N is a function of the set, the options and N alone: resuming needs no state.
// Where the set is in memory, that function is BatchSchedule's. Where it is in a scratch file, the
// order of an epoch is shuffled in two levels (window_plan.h), and the next window is read while
// the current one is used up. Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "models/batch.h"
#include "runtime/base/status.h"
#include "worker/input/batch_schedule.h"
#include "worker/input/example_set.h"

namespace dime::worker {

struct BatchOptions {
  std::int64_t batch_size = 1;
  std::int64_t num_epochs = 1;  // 0: without end.
  std::uint64_t seed = 1;
  Order order = Order::kShuffled;
};

class BatchSource {
 public:
  virtual ~BatchSource() = default;

  // How many batches there are; no value when there is no end.
  [[nodiscard]] virtual std::optional<std::int64_t> num_batches() const = 0;

  // Gathers batch `index` (>= 0), which has no examples past the end. Cheapest when asked in
  // ascending order. `batch` keeps its memory from call to call.
  virtual absl::Status Gather(std::int64_t index, models::Batch* batch) = 0;
};

// A batch's random_key.
[[nodiscard]] std::uint64_t RandomKeyOf(const BatchOptions& options, std::int64_t index);

// `examples` outlives the source.
[[nodiscard]] std::unique_ptr<BatchSource> MakeBatchSource(const ExampleSet& examples,
                                                           const BatchOptions& options);

}  // namespace dime::worker
