// models/internal/feature_columns.h - what descriptions, encoders and models ask of feature
// columns, and their part of the YAML page.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/description.h"
#include "models/internal/yaml_tree.h"
#include "runtime/base/status.h"

namespace dime::models::internal {

inline constexpr std::int64_t kMaxIds = std::int64_t{1} << 53;  // Exact in JSON and in doubles.
inline constexpr std::int64_t kMaxDim = std::int64_t{1} << 20;

// "vocabulary_list", as the YAML page names it.
[[nodiscard]] std::string_view KindName(const FeatureColumn& column);

// Ids are in [0, NumIds). 0 for dense columns.
[[nodiscard]] std::int64_t NumIds(const FeatureColumn& column);
[[nodiscard]] inline bool IsCategorical(const FeatureColumn& column) { return NumIds(column) > 0; }
// Floats an example. 0 for categorical columns.
[[nodiscard]] std::int64_t DenseWidth(const ModelDescription& description,
                                      const FeatureColumn& column);
// The column that an indicator, embedding or bucketized column is made from; null for others.
[[nodiscard]] const FeatureColumn* SourceOf(const ModelDescription& description,
                                            const FeatureColumn& column);

// A cross's keys in the order in which they are hashed: columns come before strings, whatever the
// order on the page, as TensorFlow has it (its SparseCross takes sparse inputs first).
[[nodiscard]] std::vector<CrossKey> KeysAsHashed(const CrossedColumn& column);

// Names of fields, columns, variants and directories: letters, digits, and . _ - inside.
absl::Status CheckName(const YamlNode& node, std::string_view name);

// Entries that differ from each other and from nothing once blanks are gone.
absl::Status ReadVocabulary(const YamlNode& node, std::vector<std::string>* vocabulary);

// Reads and checks `columns:` into description->columns; fields and label are there already.
absl::Status ReadColumns(const YamlNode& columns, ModelDescription* description);
[[nodiscard]] YamlNode WriteColumns(const ModelDescription& description);

}  // namespace dime::models::internal
