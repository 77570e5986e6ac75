// models/export/graph_inputs.h - how requests come into a serving graph: placeholders, and the
// fields' values that are made of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/export/graph_builder.h"
#include "models/export/saved_model.h"
#include "models/model.h"

namespace dime::models::internal {

struct Receiver {
  std::string key;  // In signatures.
  std::string node;
  ValueType type = ValueType::kString;
  Shape shape = {kAnySize};  // The number of examples comes first.
};

struct GraphInputs {
  std::vector<Receiver> receivers;
  // The node with each field's values, for the fields that features need: shape [n], or [n, most
  // values of an example] for a list, floats or strings as the field is. Blanks are trimmed and
  // defaults filled in as the description wants. Shorter lists are filled up: with "", or 0.
  std::map<std::string, std::string, std::less<>> fields;
  // The same of integers that columns take as they are; lists are filled up with -1.
  std::map<std::string, std::string, std::less<>> integers;
};

GraphInputs AddInputs(const Model& model, ExportFormat format, GraphBuilder* graph);

}  // namespace dime::models::internal
