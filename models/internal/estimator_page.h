// models/internal/estimator_page.h - the part of a description's YAML page that says what is
// trained and how: `estimator:` and `training:`.
#pragma once

#include "models/description.h"
#include "models/internal/yaml_tree.h"
#include "runtime/base/status.h"

namespace dime::models::internal {

// Reads and checks `estimator:` into description->estimator; the columns are there already.
absl::Status ReadEstimator(const YamlNode& node, ModelDescription* description);
[[nodiscard]] YamlNode WriteEstimator(const Estimator& estimator);

absl::Status ReadTraining(const YamlNode& node, TrainingDefaults* training);
[[nodiscard]] YamlNode WriteTraining(const TrainingDefaults& training);

// Whether layers and embeddings stay within what a process can hold. The message has no place.
absl::Status CheckSizes(const ModelDescription& description);

}  // namespace dime::models::internal
