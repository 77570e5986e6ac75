#include "cli/prediction_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/terminal/table.h"

namespace dime::cli {
namespace {

using models::Prediction;
using models::SignatureMethod;
using Json = nlohmann::ordered_json;

// What `method` gives of an instance: an object of lists, whose keys are in order.
Json OutputsOf(const Prediction& prediction, SignatureMethod method) {
  switch (method) {
    case SignatureMethod::kPredict:
      return {{"class_ids", {prediction.class_id}},
              {"classes", {std::to_string(prediction.class_id)}},
              {"logistic", {prediction.logistic}},
              {"logits", {prediction.logit}},
              {"probabilities", prediction.probabilities}};
    case SignatureMethod::kClassify:
      return {{"classes", {"0", "1"}}, {"scores", prediction.probabilities}};
    case SignatureMethod::kRegress:
      return {{"outputs", {prediction.logistic}}};
  }
  return {};
}

// As Python prints it.
std::string FormatPythonValue(const Json& value) {
  if (value.is_string()) return fmt::format("'{}'", value.get<std::string>());
  if (value.is_number_float()) return FormatPythonFloat(value.get<float>());
  return value.dump();
}

std::string Upper(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c; });
  return text;
}

}  // namespace

std::string FormatPythonFloat(float value) {
  std::string text = fmt::format("{}", static_cast<double>(value));
  if (std::isfinite(value) && text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

std::string FormatPredictionTable(std::span<const Prediction> predictions, SignatureMethod method) {
  std::vector<TableRow> rows(1);
  const Json names = OutputsOf({}, method);
  for (const auto& [key, values] : names.items()) rows[0].push_back(Upper(key));
  for (const Prediction& prediction : predictions) {
    TableRow& row = rows.emplace_back();
    const Json outputs = OutputsOf(prediction, method);
    for (const auto& [key, values] : outputs.items()) {
      std::vector<std::string> texts;
      for (const Json& value : values) texts.push_back(FormatPythonValue(value));
      row.push_back(fmt::format("[{}]", fmt::join(texts, ", ")));
    }
  }
  return FormatTable(rows);
}

std::string FormatPredictionJson(std::span<const Prediction> predictions, SignatureMethod method) {
  Json list = Json::array();
  for (const Prediction& prediction : predictions) list.push_back(OutputsOf(prediction, method));
  const Json object = {{"predictions", list}};
  return object.dump(2) + "\n";
}

}  // namespace dime::cli
