// models/internal/column_page.h - feature columns as a YAML page has them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/description.h"
#include "models/internal/yaml_tree.h"
#include "runtime/base/status.h"

namespace dime::models::internal {

// Names of fields, columns, variants and directories: letters, digits, and . _ - inside.
absl::Status CheckName(const YamlNode& node, std::string_view name);

// Entries that differ from each other and from nothing once blanks are gone.
absl::Status ReadVocabulary(const YamlNode& node, std::vector<std::string>* vocabulary);

// Reads and checks `columns:` into description->columns; fields and label are there already. Reads
// the vocabularies' files, too.
absl::Status ReadColumns(const YamlNode& columns, ModelDescription* description);
[[nodiscard]] YamlNode WriteColumns(const ModelDescription& description);

}  // namespace dime::models::internal
