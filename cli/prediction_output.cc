#include "cli/prediction_output.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/terminal/table.h"

namespace dime::cli {

std::string FormatPythonFloat(float value) {
  std::string text = fmt::format("{}", static_cast<double>(value));
  if (std::isfinite(value) && text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

std::string FormatPredictionTable(std::span<const models::Prediction> predictions) {
  std::vector<TableRow> rows = {{"CLASS_IDS", "CLASSES", "LOGISTIC", "LOGITS", "PROBABILITIES"}};
  for (const models::Prediction& prediction : predictions) {
    rows.push_back({fmt::format("[{}]", prediction.class_id),
                    fmt::format("['{}']", prediction.class_id),
                    fmt::format("[{}]", FormatPythonFloat(prediction.logistic)),
                    fmt::format("[{}]", FormatPythonFloat(prediction.logit)),
                    fmt::format("[{}, {}]", FormatPythonFloat(prediction.probabilities[0]),
                                FormatPythonFloat(prediction.probabilities[1]))});
  }
  return FormatTable(rows);
}

std::string FormatPredictionJson(std::span<const models::Prediction> predictions) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const models::Prediction& prediction : predictions) {
    list.push_back({{"class_ids", {prediction.class_id}},
                    {"classes", {std::to_string(prediction.class_id)}},
                    {"logistic", {prediction.logistic}},
                    {"logits", {prediction.logit}},
                    {"probabilities", prediction.probabilities}});
  }
  const nlohmann::ordered_json object = {{"predictions", list}};
  return object.dump(2) + "\n";
}

}  // namespace dime::cli
