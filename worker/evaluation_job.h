// worker/evaluation_job.h - what an evaluator does. It is no part of the cluster: it looks on at
// the job directory, evaluates the checkpoints that appear there, and exports the last one.
#pragma once

#include <chrono>
#include <stop_token>

#include "models/description.h"
#include "runtime/base/status.h"
#include "worker/training_job.h"

namespace dime::worker {

struct EvaluationWait {
  std::chrono::seconds patience{1800};  // For the next checkpoint.
  std::chrono::milliseconds between_looks{500};
};

// Evaluates the newest checkpoint, then each one that is newer when it looks again, none twice;
// `options` are the job's. Returns when the last one is evaluated, and exported where the job asks
// for it: that of options.train_steps, or of the job's end (job_end.h). A checkpoint that is
// deleted meanwhile, or is not whole, is passed over.
//
// kDeadlineExceeded says for which checkpoint it has waited in vain; kFailedPrecondition: the
// directory is another model's. In the result only what an evaluator knows is set.
absl::StatusOr<TrainingResult> RunEvaluationJob(const models::ModelDescription& description,
                                                const TrainingOptions& options,
                                                const EvaluationWait& wait,
                                                TrainingObserver& observer, std::stop_token stop);

}  // namespace dime::worker
