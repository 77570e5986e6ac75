// models/internal/feature_columns.h - what descriptions, encoders and models ask of feature
// columns.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "models/description.h"
#include "ops/table.h"

namespace dime::models::internal {

inline constexpr std::int64_t kMaxIds = std::int64_t{1} << 53;  // Exact in JSON and in doubles.
inline constexpr std::int64_t kMaxDim = std::int64_t{1} << 20;

// To visit a column's kind with one function for each.
template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

// "vocabulary_list", as the YAML page names it.
[[nodiscard]] std::string_view KindName(const FeatureColumn& column);

// Ids are in [0, NumIds). 0 for dense columns.
[[nodiscard]] std::int64_t NumIds(const ModelDescription& description, const FeatureColumn& column);
[[nodiscard]] bool IsCategorical(const FeatureColumn& column);
// What a categorical column, or its source, says of tables without a bound on their ids.
[[nodiscard]] std::optional<ops::UnboundedRows> UnboundedRowsOf(const ModelDescription& description,
                                                                const FeatureColumn& column);
// Floats an example. 0 for categorical columns.
[[nodiscard]] std::int64_t DenseWidth(const ModelDescription& description,
                                      const FeatureColumn& column);
// The column that a bucketized, weighted, indicator or embedding column is made from; null for
// others.
[[nodiscard]] const FeatureColumn* SourceOf(const ModelDescription& description,
                                            const FeatureColumn& column);
// The field that a column is made from directly; "" for those with a source, and for crosses.
[[nodiscard]] std::string_view FieldOf(const FeatureColumn& column);

// Whether a categorical column may give other than one id an example.
[[nodiscard]] bool GivesLists(const ModelDescription& description, const FeatureColumn& column);

// Whether some column takes an integer field's values as they are: as ids, or to be hashed.
[[nodiscard]] bool IsTakenAsIntegers(const ModelDescription& description, const Field& field);

// A cross's keys in the order in which they are hashed: columns and lists come before single
// strings, whatever the order on the page, as TensorFlow has it (its SparseCross takes sparse
// inputs first).
[[nodiscard]] std::vector<CrossKey> KeysAsHashed(const ModelDescription& description,
                                                 const CrossedColumn& column);

}  // namespace dime::models::internal
