// models/internal/column_checker.h - whether what feature columns refer to exists and is of the
// right kind.
#pragma once

#include "models/description.h"
#include "models/internal/yaml_tree.h"
#include "runtime/base/status.h"

namespace dime::models::internal {

// `columns` is the page's part that description.columns was read from, in the same order.
absl::Status CheckColumns(const YamlNode& columns, const ModelDescription& description);

}  // namespace dime::models::internal
