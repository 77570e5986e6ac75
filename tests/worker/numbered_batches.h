// tests/worker/numbered_batches.h - batch N has N examples.
#pragma once

#include <cstdint>
#include <optional>

#include "models/batch.h"
#include "worker/input/batch_source.h"

namespace dime::worker {

class NumberedBatches final : public BatchSource {
 public:
  explicit NumberedBatches(std::optional<std::int64_t> num_batches = std::nullopt)
      : num_batches_(num_batches) {}
  [[nodiscard]] std::optional<std::int64_t> num_batches() const override { return num_batches_; }
  absl::Status Gather(std::int64_t index, models::Batch* batch) override {
    batch->num_examples = index;
    return absl::OkStatus();
  }

 private:
  const std::optional<std::int64_t> num_batches_;
};

}  // namespace dime::worker
