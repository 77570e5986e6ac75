// cli/prediction_output.h - predictions as gcloud prints them.
#pragma once

#include <span>
#include <string>

#include "models/export/saved_model.h"
#include "models/head.h"

namespace dime::cli {

// A table with a line for each instance and a column for each output of `method`; all predictions
// give CLASS_IDS, CLASSES, LOGISTIC, LOGITS, PROBABILITIES.
[[nodiscard]] std::string FormatPredictionTable(std::span<const models::Prediction> predictions,
                                                models::SignatureMethod method);
// {"predictions": [{"class_ids": [0], ...}, ...]}, indented.
[[nodiscard]] std::string FormatPredictionJson(std::span<const models::Prediction> predictions,
                                               models::SignatureMethod method);

// A float as Python writes the double it becomes: the shortest text that reads back the same.
[[nodiscard]] std::string FormatPythonFloat(float value);

}  // namespace dime::cli
