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

// A placeholder of shape [number of examples].
struct Receiver {
  std::string key;  // In signatures.
  std::string node;
  ValueType type = ValueType::kString;
};

struct GraphInputs {
  std::vector<Receiver> receivers;
  // The node with each field's values, for the fields that features need: shape [number of
  // examples], floats or strings as the field is. Blanks are trimmed and defaults filled in as the
  // description wants.
  std::map<std::string, std::string, std::less<>> fields;
};

GraphInputs AddInputs(const Model& model, ExportFormat format, GraphBuilder* graph);

}  // namespace dime::models::internal
