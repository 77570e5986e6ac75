// models/internal/optimizer_page.h - an optimizer on a description's YAML page:
// {kind: adam, learning_rate: 0.001, decay: {kind: exponential, ...}}.
#pragma once

#include "models/internal/yaml_tree.h"
#include "ops/optimizer.h"
#include "runtime/base/status.h"

namespace dime::models::internal {

absl::Status ReadOptimizer(const YamlNode& node, ops::OptimizerSpec* spec);
// ReadOptimizer() reads it back to an equal one.
[[nodiscard]] YamlNode WriteOptimizer(const ops::OptimizerSpec& spec);

}  // namespace dime::models::internal
