#include "cli/prediction_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "cli/terminal/table.h"

namespace dime::cli {
namespace {

using models::Predictions;
using models::SignatureMethod;
using Json = nlohmann::ordered_json;

// What `method` gives of an instance: an object of lists, whose keys are in order.
Json OutputsOf(const Predictions& predictions, std::int64_t instance, SignatureMethod method) {
  const auto i = static_cast<std::size_t>(instance);
  const std::span<const float> logits = predictions.LogitsOf(instance);
  const std::span<const float> probabilities = predictions.ProbabilitiesOf(instance);
  Json outputs;
  switch (method) {
    case SignatureMethod::kPredict:
      if (predictions.is_regression()) return {{"predictions", logits}};
      outputs["class_ids"] = {predictions.class_ids[i]};
      outputs["classes"] = {std::to_string(predictions.class_ids[i])};
      if (!predictions.logistic.empty()) outputs["logistic"] = {predictions.logistic[i]};
      outputs["logits"] = logits;
      outputs["probabilities"] = probabilities;
      break;
    case SignatureMethod::kClassify:
      for (std::size_t c = 0; c < probabilities.size(); ++c) {
        outputs["classes"].push_back(std::to_string(c));
      }
      outputs["scores"] = probabilities;
      break;
    case SignatureMethod::kRegress:
      if (predictions.is_regression()) return {{"outputs", logits}};
      outputs["outputs"] = {predictions.logistic[i]};
      break;
  }
  return outputs;
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

std::string FormatPredictionTable(const Predictions& predictions, SignatureMethod method) {
  std::vector<TableRow> rows;
  for (std::int64_t i = 0; i < predictions.num_examples; ++i) {
    const Json outputs = OutputsOf(predictions, i, method);
    if (rows.empty()) {
      TableRow& names = rows.emplace_back();
      for (const auto& [key, values] : outputs.items()) names.push_back(Upper(key));
    }
    TableRow& row = rows.emplace_back();
    for (const auto& [key, values] : outputs.items()) {
      std::vector<std::string> texts;
      for (const Json& value : values) texts.push_back(FormatPythonValue(value));
      row.push_back(fmt::format("[{}]", fmt::join(texts, ", ")));
    }
  }
  return FormatTable(rows);
}

std::string FormatPredictionJson(const Predictions& predictions, SignatureMethod method) {
  Json list = Json::array();
  for (std::int64_t i = 0; i < predictions.num_examples; ++i) {
    list.push_back(OutputsOf(predictions, i, method));
  }
  const Json object = {{"predictions", list}};
  return object.dump(2) + "\n";
}

}  // namespace dime::cli
