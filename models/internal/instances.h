// models/internal/instances.h - what is to be predicted, in the forms in which prediction files
// have it: JSON objects, CSV lines, tf.Examples.
//
// Each function adds one instance to `batch`, or says which feature is wrong and why, and leaves
// the batch as it was.
#pragma once

#include <string_view>

#include "models/batch.h"
#include "models/model.h"
#include "runtime/base/status.h"

namespace dime::models::internal {

// {"age": 25, "workclass": " Private", ...}: numbers for numeric features, strings for others, all
// of them and nothing else. A list of one value stands for that value.
absl::Status AppendJsonInstance(const Model& model, std::string_view json, Batch* batch);

// One line with all the fields of a record; the label may be empty, or left out.
absl::Status AppendCsvInstance(const Model& model, std::string_view line, Batch* batch);

// A serialised tf.Example with one value a feature. A string feature that is missing is an empty
// one; features that the model does not know are passed over.
absl::Status AppendExampleInstance(const Model& model, std::string_view example, Batch* batch);

}  // namespace dime::models::internal
