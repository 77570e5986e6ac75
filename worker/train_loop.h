// worker/train_loop.h - the steps of training and nothing else: batch, rows, gradients, push.
//
// A step sends the gradients of the step before it together with its own lookups, one exchange a
// step. So the store lacks the newest step's update until Flush() or the next step.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/model.h"
#include "ops/table.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"
#include "worker/input/prefetcher.h"
#include "worker/parameter_store.h"

namespace dime::worker {

class TrainLoop {
 public:
  // All of them outlive this object. The next batch of `batches` is that of step `first_step` + 1.
  TrainLoop(const models::Model& model, ParameterStore& store, Prefetcher& batches,
            base::ThreadPool& pool, std::int64_t first_step);

  // Takes one step. False, and nothing has changed, when there are no more batches.
  // An error of the input is returned as it is.
  // kFailedPrecondition names the step whose loss is no finite number; its gradients are dropped.
  absl::StatusOr<bool> Step();

  // Pushes the newest step's gradients: the store then holds `step()` whole steps.
  absl::Status Flush();

  [[nodiscard]] std::int64_t step() const { return step_; }  // How many were taken since step 0.

  // About the newest step, until the next Step() or Flush().
  [[nodiscard]] double loss() const { return loss_; }
  [[nodiscard]] std::int64_t num_examples() const { return batch_->batch.num_examples; }
  [[nodiscard]] std::vector<models::LayerActivations> Activations() const;
  // A dense table's values, as the step saw them.
  [[nodiscard]] std::span<const float> DenseValues(int table) const { return rows_.tables[table]; }

 private:
  const models::Model& model_;
  ParameterStore& store_;
  Prefetcher& batches_;
  base::ThreadPool& pool_;

  models::Workspace workspace_;
  ops::Rows rows_;
  ops::Gradients gradients_;
  const PreparedBatch* batch_ = nullptr;  // The newest step's.
  bool gradients_wait_ = false;           // The newest step's are not pushed yet.
  std::int64_t step_ = 0;
  double loss_ = 0;
};

}  // namespace dime::worker
