// cli/instances.h - the instances that a prediction is asked for: one a line of a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/head.h"
#include "models/predictor.h"
#include "runtime/base/status.h"

namespace dime::cli {

// The lines of `path` ("-": stdin), without their ends. kOutOfRange for an empty line, for no line
// at all, and for more than `max_lines` (0: as many as there are).
absl::StatusOr<std::vector<std::string>> ReadInstanceLines(const std::string& path,
                                                           std::int64_t max_lines);

// Scores lines of JSON: objects of features; strings, which are CSV lines; and tf.Examples as
// {"b64": ...}, or as that under any one name. All of one kind. kOutOfRange names the line.
absl::StatusOr<models::Predictions> PredictJsonLines(const std::vector<std::string>& lines,
                                                     models::Predictor& predictor);

}  // namespace dime::cli
