// models/internal/unbounded_page.h - a column without a bound on its ids, on a description's YAML
// page: unbounded: {admit_after: 3, evict_after_steps: 100000, max_bytes: 1GiB}.
#pragma once

#include "models/internal/yaml_tree.h"
#include "ops/table.h"
#include "runtime/base/status.h"

namespace dime::models::internal {

absl::Status ReadUnbounded(const YamlNode& node, ops::UnboundedRows* rows);
// ReadUnbounded() reads it back to an equal one.
[[nodiscard]] YamlNode WriteUnbounded(const ops::UnboundedRows& rows);

}  // namespace dime::models::internal
