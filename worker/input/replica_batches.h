// worker/input/replica_batches.h - the batches of a set that are one replica's: every so many.
//
// A step has `micro_batches` batches, which follow each other in the set's order; replica r of R
// takes those with the numbers r, r + R, r + 2R, ... among them. Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "models/batch.h"
#include "runtime/base/status.h"
#include "worker/input/batch_source.h"

namespace dime::worker {

struct ReplicaShare {
  std::int64_t micro_batches = 1;
  std::int64_t replica = 0;
  std::int64_t num_replicas = 1;  // At most as many as micro-batches.

  // How many batches of a step are this replica's.
  [[nodiscard]] std::int64_t BatchesPerStep() const {
    return (micro_batches - replica + num_replicas - 1) / num_replicas;
  }
};

class ReplicaBatches final : public BatchSource {
 public:
  // Steps count from `first_batch` of `all` on.
  ReplicaBatches(std::unique_ptr<BatchSource> all, const ReplicaShare& share,
                 std::int64_t first_batch);

  // Those of whole steps alone.
  [[nodiscard]] std::optional<std::int64_t> num_batches() const override;
  absl::Status Gather(std::int64_t index, models::Batch* batch) override;

 private:
  const std::unique_ptr<BatchSource> all_;
  const ReplicaShare share_;
  const std::int64_t first_batch_;
};

}  // namespace dime::worker
