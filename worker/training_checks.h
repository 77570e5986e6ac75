// worker/training_checks.h - what a training job looks at before it believes it: its options
// (CheckOptions() of training_job.h) and its files.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace dime::worker {

// A file that is missing is found out now, not when it is needed at the end of training.
absl::Status CheckFilesExist(const std::vector<std::string>& patterns);

}  // namespace dime::worker
