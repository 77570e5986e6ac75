// models/internal/input_page.h - what a record is made of, and its label, as a YAML page has them.
#pragma once

#include "models/description.h"
#include "models/internal/yaml_tree.h"
#include "runtime/base/status.h"

namespace dime::models::internal {

absl::Status ReadInput(const YamlNode& node, InputFormat* input);
// The fields are in description->input already.
absl::Status ReadLabel(const YamlNode& node, ModelDescription* description);

[[nodiscard]] YamlNode WriteInput(const InputFormat& input);
[[nodiscard]] YamlNode WriteLabel(const Label& label);

}  // namespace dime::models::internal
