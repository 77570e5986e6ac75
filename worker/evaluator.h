// worker/evaluator.h - metrics of the current weights on an evaluation set.
#pragma once

#include <cstdint>
#include <stop_token>

#include "models/metrics.h"
#include "models/model.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"
#include "worker/input/example_set.h"
#include "worker/parameter_store.h"

namespace dime::worker {

// Of what the training set's examples may take in memory, the evaluation set's may take one part in
// so many; metrics do not depend on where examples are.
inline constexpr std::uint64_t kEvalPartOfMemory = 4;

struct EvaluationOptions {
  std::int64_t batch_size = 40;  // What "loss" is averaged over.
  std::int64_t steps = 100;      // The first batch_size * steps examples; 0: all.
  std::stop_token stop;
};

// TensorFlow's metrics (models/metrics.h) without global_step. kCancelled when asked to stop.
absl::StatusOr<models::MetricValues> Evaluate(const models::Model& model,
                                              const ExampleSet& examples,
                                              const EvaluationOptions& options,
                                              ParameterStore& store, base::ThreadPool& pool);

}  // namespace dime::worker
