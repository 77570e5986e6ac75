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
#include "worker/input/batch_schedule.h"

namespace dime::worker {

struct PreparedBatch {
  models::Batch batch;
  ops::Lookups lookups;
};

class Prefetcher {
 public:
  // Batches first_batch, first_batch + 1, ... of `schedule`, gathered from `examples`. `depth`
  // batches at most lie ready. `model` and `examples` outlive this object.
  Prefetcher(const models::Model& model, const models::Batch& examples, BatchSchedule schedule,
             std::int64_t first_batch, int depth);
  ~Prefetcher();

  // The next batch, or null when there are no more. Throws what the thread has thrown (no memory).
  // The one returned before is given back: it must not be used any more after the call that follows
  // the next one, so that a step may push for batch t while it holds t+1.
  const PreparedBatch* Next();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::worker
