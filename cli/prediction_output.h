// cli/prediction_output.h - predictions as gcloud prints them.
#pragma once

#include <string>

#include "models/export/saved_model.h"
#include "models/predictions.h"

namespace dime::cli {

// A table with a line for each instance and a column for each output of `method`; predict
// gives CLASS_IDS, CLASSES, LOGISTIC (of two classes only), LOGITS, PROBABILITIES, or PREDICTIONS
// of a regression.
[[nodiscard]] std::string FormatPredictionTable(const models::Predictions& predictions,
                                                models::SignatureMethod method);
// {"predictions": [{"class_ids": [0], ...}, ...]}, indented.
[[nodiscard]] std::string FormatPredictionJson(const models::Predictions& predictions,
                                               models::SignatureMethod method);

// A float as Python writes the double it becomes: the shortest text that reads back the same.
[[nodiscard]] std::string FormatPythonFloat(float value);

}  // namespace dime::cli
