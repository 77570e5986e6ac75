// worker/input/spilled_batches.h - batches of examples that lie in a scratch file.
//
// Two windows are in memory at a time: the current one, and the next, which a thread reads ahead.
// Threads: one at a time; the destructor stops the reading.
#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/batch.h"
#include "runtime/base/status.h"
#include "worker/input/batch_source.h"
#include "worker/input/window_plan.h"

namespace dime::worker {

class SpilledBatches : public BatchSource {
 public:
  // `examples`, which have a spill, outlive this object.
  SpilledBatches(const ExampleSet& examples, const BatchOptions& options);
  ~SpilledBatches() override;

  [[nodiscard]] std::optional<std::int64_t> num_batches() const override;
  absl::Status Gather(std::int64_t index, models::Batch* batch) override;

 private:
  // A window with its examples.
  struct Loaded {
    Window window;
    models::Batch examples;  // Those of its blocks, one after the other.
    absl::Status status;
  };

  absl::Status EnterWindow(std::int64_t epoch, std::int64_t position);
  void ReadAhead();
  void Load(Loaded* loaded) const;
  absl::Status LoadBlocks(Loaded* loaded) const;

  const ExampleSpill& spill_;
  const BatchOptions options_;
  const std::int64_t num_positions_;  // In all epochs.
  WindowPlan plan_;

  std::unique_ptr<Loaded> current_ = std::make_unique<Loaded>();
  std::unique_ptr<Loaded> next_ = std::make_unique<Loaded>();
  std::atomic<bool> stop_{false};
  std::future<void> reading_;  // Fills next_; not valid when nothing does.

  std::vector<std::int64_t> indices_;
  models::Batch part_;
};

}  // namespace dime::worker
