// worker/input/prefetcher.h - makes batches and their lookups ahead of training, in a thread of its
// own.
//
// Threads: Next() from one thread. A bounded queue of reused batches; the destructor stops and
// joins the thread.
#pragma once

#include <cstdint>
#include <memory>

#include "models/batch.h"
#include "models/model.h"
#include "ops/table.h"
#include "runtime/base/status.h"
#include "worker/input/batch_source.h"
#include "worker/report/replica_meter.h"

namespace dime::worker {

struct PreparedBatch {
  models::Batch batch;
  ops::Lookups lookups;
};

class Prefetcher {
 public:
  // Batches first_batch, first_batch + 1, ... of `source`. `depth` batches at most lie ready.
  // `model` outlives this object, as does `meter`, which learns of the thread's CPU time; null: no
  // meter does.
  Prefetcher(const models::Model& model, std::unique_ptr<BatchSource> source,
             std::int64_t first_batch, int depth, ReplicaMeter* meter = nullptr);
  ~Prefetcher();

  // The next batch, or null when there are no more, or none could be made: see status(). Throws
  // what the thread has thrown (no memory). The one returned before is given back: it must not be
  // used any more after the call that follows the next one, so that a step may push for batch t
  // while it holds t+1.
  const PreparedBatch* Next();

  // Why there are no more batches, once Next() has returned null; OK at their end.
  [[nodiscard]] absl::Status status() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::worker
