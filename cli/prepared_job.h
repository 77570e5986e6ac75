// cli/prepared_job.h - a training job's words made into what runs it, with all that can be checked
// before anything is written.
#pragma once

#include <optional>

#include "cli/training_request.h"
#include "models/description.h"
#include "worker/training_job.h"

namespace dime::cli {

struct PreparedJob {
  models::ModelDescription description;
  worker::TrainingOptions options;  // All but the cluster, and threads where none are asked for.
};

// Makes the job directory, too. None: it has said what is wrong, and set the exit code.
std::optional<PreparedJob> PrepareJob(const char* command, const TrainingRequest& request,
                                      int* exit_code);

}  // namespace dime::cli
