// worker/train_loop.h - the steps of training and nothing else: batch, rows, gradients, push.
//
// A step sends the gradients of the step before it together with its own lookups, one exchange a
// step. So the store lacks the newest step's update until Flush() or the next step. Where it pulls
// ahead, the next step's rows are on their way while this one is computed: they lack one step more.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "models/model.h"
#include "ops/table.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"
#include "worker/input/prefetcher.h"
#include "worker/parameter_store.h"

namespace dime::worker {

// Which batches of a step this replica takes: first, first + stride, ... below micro_batches.
struct StepPlan {
  int micro_batches = 1;
  int first = 0;
  int stride = 1;
  // A step is one update of all replicas' gradients. If not, each batch is an update of its own,
  // and steps are counted by the store.
  bool in_common = true;
  bool pull_ahead = false;  // Not in common.
};

class TrainLoop {
 public:
  // All of them outlive this object. The next batch of `batches` is the first one of step
  // `first_step` + 1 that is this replica's.
  TrainLoop(const models::Model& model, ParameterStore& store, Prefetcher& batches,
            base::ThreadPool& pool, std::int64_t first_step, const StepPlan& plan = {});

  // Takes one step, or this replica's part of it. False, and nothing has changed, when there are no
  // more batches. An error of the input is returned as it is. kFailedPrecondition names the step
  // whose loss is no finite number; its gradients are dropped.
  absl::StatusOr<bool> Step();

  // Pushes the newest step's gradients: the store then holds `step()` whole steps.
  absl::Status Flush();

  [[nodiscard]] std::int64_t step() const { return step_; }  // How many were taken since step 0.

  // About the newest step, until the next Step() or Flush().
  [[nodiscard]] double loss() const { return loss_; }  // The mean of this replica's batches.
  [[nodiscard]] std::int64_t num_examples() const { return num_examples_; }  // Of this replica.
  [[nodiscard]] std::vector<models::LayerActivations> Activations() const;
  // A dense table's values, as the step saw them.
  [[nodiscard]] std::span<const float> DenseValues(int table) const { return rows_.tables[table]; }

 private:
  absl::StatusOr<bool> TakeBatch(std::int64_t step, int micro_batch);
  // Sets batch_ and rows_; false when there are no more batches.
  absl::StatusOr<bool> PullNow(std::int64_t step);
  absl::StatusOr<bool> PullAhead(std::int64_t step);
  absl::StatusOr<const PreparedBatch*> NextBatch();  // Null when there are no more.
  absl::Status StartPull(std::int64_t step);
  absl::Status FinishPull();
  absl::Status PushNow();

  const models::Model& model_;
  ParameterStore& store_;
  Prefetcher& batches_;
  base::ThreadPool& pool_;

  models::Workspace workspace_;
  ops::Rows rows_;
  ops::Gradients gradients_;
  const PreparedBatch* batch_ = nullptr;  // The newest that was computed.
  std::optional<Push> push_;              // Its gradients, if they are not pushed yet.
  const PreparedBatch* ahead_ = nullptr;  // The one after it.
  bool is_pulling_ = false;               // Rows for `ahead_` are on their way,
  bool is_pushing_ = false;               // and gradients went with the request.
  const StepPlan plan_;
  std::int64_t step_ = 0;
  double loss_ = 0;
  std::int64_t num_examples_ = 0;
};

}  // namespace dime::worker
