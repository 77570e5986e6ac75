#include "models/internal/column_checker.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "models/internal/feature_columns.h"

namespace dime::models::internal {
namespace {

using Kind = decltype(FeatureColumn::kind);

// Which types of fields a kind of column takes, and how a message says so.
struct FieldTypes {
  bool integers = false;
  bool floats = false;
  bool strings = false;
  std::string_view text;

  [[nodiscard]] bool Contain(FieldType type) const {
    return type == FieldType::kInteger ? integers : type == FieldType::kFloat ? floats : strings;
  }
};
constexpr FieldTypes kNumbers = {.integers = true, .floats = true, .text = "an integer or a float"};
constexpr FieldTypes kIntegers = {.integers = true, .text = "an integer"};
constexpr FieldTypes kStrings = {.strings = true, .text = "a string"};
constexpr FieldTypes kStringsAndIntegers = {
    .integers = true, .strings = true, .text = "a string or an integer"};

class ColumnChecker {
 public:
  ColumnChecker(const ModelDescription& description, const FeatureColumn& column,
                const YamlNode& node)
      : description_(description), column_(column), node_(node) {}

  absl::Status operator()(const NumericColumn& column) const {
    DIME_RETURN_IF_ERROR(CheckField(PlaceOf("field"), column.field, kNumbers));
    if (FieldNamed(column.field).num_values > 0) return absl::OkStatus();
    return PlaceOf("field").Error(
        "the field '{}' is a list of any length; a numeric column takes a fixed number of values",
        column.field);
  }
  absl::Status operator()(const VocabularyColumn& column) const {
    return CheckField(PlaceOf("field"), column.field, kStrings);
  }
  absl::Status operator()(const HashBucketColumn& column) const {
    return CheckField(PlaceOf("field"), column.field, kStringsAndIntegers);
  }
  absl::Status operator()(const IdentityColumn& column) const {
    return CheckField(PlaceOf("field"), column.field, kIntegers);
  }
  absl::Status operator()(const WeightedColumn& column) const {
    DIME_RETURN_IF_ERROR(CheckColumn(PlaceOf("source"), column.source, IsMadeOfAField,
                                     "vocabulary, hash_bucket or identity"));
    const YamlNode& place = PlaceOf("weight_field");
    DIME_RETURN_IF_ERROR(CheckField(place, column.weight_field, kNumbers));
    const std::string field(FieldOf(*description_.FindColumn(column.source)));
    if (FieldNamed(field).num_values != FieldNamed(column.weight_field).num_values) {
      return place.Error("'{}' does not have as many values as '{}'", column.weight_field, field);
    }
    return CheckOwnName(column.source + "_weighted_by_" + column.weight_field);
  }
  absl::Status operator()(const BucketizedColumn& column) const {
    constexpr auto is_numeric = [](const FeatureColumn& source) {
      return std::holds_alternative<NumericColumn>(source.kind);
    };
    DIME_RETURN_IF_ERROR(CheckColumn(PlaceOf("source"), column.source, is_numeric, "numeric"));
    return CheckOwnName(column.source + "_bucketized");
  }
  absl::Status operator()(const IndicatorColumn& column) const {
    DIME_RETURN_IF_ERROR(
        CheckColumn(PlaceOf("source"), column.source, IsCategorical, "categorical"));
    if (UnboundedRowsOf(description_, column_)) {
      return PlaceOf("source").Error(
          "'{}' has no bound on its ids, which an indicator would have a number for each of; make "
          "an embedding of it",
          column.source);
    }
    return CheckOwnName(column.source + "_indicator");
  }
  absl::Status operator()(const EmbeddingColumn& column) const {
    DIME_RETURN_IF_ERROR(
        CheckColumn(PlaceOf("source"), column.source, IsCategorical, "categorical"));
    if (column.collection.empty()) return CheckOwnName(column.source + "_embedding");
    DIME_RETURN_IF_ERROR(CheckOwnName(column.source + "_shared_embedding"));
    return CheckSharing(column);
  }
  absl::Status operator()(const CrossedColumn& column) const {
    const YamlNode& keys = PlaceOf("keys");
    std::set<std::string> names;
    for (std::size_t k = 0; k < column.keys.size(); ++k) {
      const YamlNode& place = keys.children[k];
      DIME_RETURN_IF_ERROR(CheckCrossKey(place, column.keys[k]));
      if (!names.insert(column.keys[k].name).second) {
        return place.Error("'{}' is crossed with itself; name each key once", column.keys[k].name);
      }
    }
    return CheckOwnName(fmt::format("{}", fmt::join(names, "_X_")));
  }

 private:
  // The node to point at: the key's, or the column's where the key was left out.
  [[nodiscard]] const YamlNode& PlaceOf(std::string_view key) const {
    const YamlNode* const place = node_.Find(key);
    return place == nullptr ? node_ : *place;
  }

  [[nodiscard]] const Field& FieldNamed(const std::string& name) const {
    return description_.input.fields[static_cast<std::size_t>(description_.FindField(name))];
  }

  [[nodiscard]] absl::Status CheckField(const YamlNode& place, const std::string& name,
                                        const FieldTypes& allowed) const {
    if (description_.FindField(name) < 0) {
      std::vector<std::string> known;
      for (const Field& field : description_.input.fields) known.push_back(field.name);
      return UnknownName(place, "field", name, known);
    }
    if (name == description_.label.field) {
      return place.Error("'{}' is the label; a feature must not be made from it", name);
    }
    const FieldType type = FieldNamed(name).type;
    if (allowed.Contain(type)) return absl::OkStatus();
    return place.Error("the field '{}' is {}; a column of kind {} takes {}", name,
                       type == FieldType::kString    ? "a string"
                       : type == FieldType::kInteger ? "an integer"
                                                     : "a float",
                       KindName(column_), allowed.text);
  }

  static bool IsMadeOfAField(const FeatureColumn& column) {
    return IsCategorical(column) && !FieldOf(column).empty();
  }

  // Columns of one collection agree with the first of them.
  [[nodiscard]] absl::Status CheckSharing(const EmbeddingColumn& column) const {
    for (const FeatureColumn& other : description_.columns) {
      const auto* const first = std::get_if<EmbeddingColumn>(&other.kind);
      if (first == nullptr || first->collection != column.collection) continue;
      const std::int64_t num_ids = NumIds(description_, *SourceOf(description_, column_));
      const std::int64_t first_num_ids = NumIds(description_, *SourceOf(description_, other));
      if (first->dim == column.dim && first->combiner == column.combiner &&
          num_ids == first_num_ids) {
        if (UnboundedRowsOf(description_, *SourceOf(description_, column_)) ==
            UnboundedRowsOf(description_, *SourceOf(description_, other))) {
          return absl::OkStatus();
        }
        return PlaceOf("collection")
            .Error("'{}' and '{}' share a table without bound, and say `unbounded` differently",
                   column_.name, other.name);
      }
      return PlaceOf("collection")
          .Error(
              "'{}' has {} ids and the dimension {}, '{}' has {} and {}; columns that share a "
              "table have all of it alike, the combiner too",
              column_.name, num_ids, column.dim, other.name, first_num_ids, first->dim);
    }
    return absl::OkStatus();
  }

  template <typename Predicate>
  [[nodiscard]] absl::Status CheckColumn(const YamlNode& place, const std::string& name,
                                         Predicate is_allowed, std::string_view what) const {
    const FeatureColumn* const source = description_.FindColumn(name);
    if (source != nullptr && is_allowed(*source)) return absl::OkStatus();
    std::vector<std::string> known;
    for (const FeatureColumn& candidate : description_.columns) {
      if (is_allowed(candidate)) known.push_back(candidate.name);
    }
    if (source == nullptr) return UnknownName(place, fmt::format("{} column", what), name, known);
    return place.Error("'{}' is a column of kind {}; a {} one is expected: {}", name,
                       KindName(*source), what, known.empty() ? "there is none" : Listed(known));
  }

  [[nodiscard]] absl::Status CheckCrossKey(const YamlNode& place, const CrossKey& key) const {
    if (!key.is_column) {
      const bool is_only_a_column =
          description_.FindField(key.name) < 0 && description_.FindColumn(key.name) != nullptr;
      if (is_only_a_column) {
        return place.Error("'{}' is no field but a column; write {{column: {}}}", key.name,
                           key.name);
      }
      return CheckField(place, key.name, kStringsAndIntegers);
    }
    DIME_RETURN_IF_ERROR(CheckColumn(place, key.name, IsCategorical, "categorical"));
    const Kind& kind = description_.FindColumn(key.name)->kind;
    if (const auto* hashed = std::get_if<HashBucketColumn>(&kind)) {
      return place.Error(
          "'{}' is a hash_bucket column, whose ids would be hashed twice; name its field: {}",
          key.name, hashed->field);
    }
    if (const auto* weighted = std::get_if<WeightedColumn>(&kind)) {
      return place.Error("'{}' has weights, which a cross does not take; name its source: {}",
                         key.name, weighted->source);
    }
    if (std::holds_alternative<CrossedColumn>(kind)) {
      return place.Error("'{}' is itself crossed; name its keys instead", key.name);
    }
    return absl::OkStatus();
  }

  [[nodiscard]] absl::Status CheckOwnName(std::string_view expected) const {
    if (column_.name == expected) return absl::OkStatus();
    return node_.Error("a {} column of these must be named '{}', as TensorFlow names it",
                       KindName(column_), expected);
  }

  const ModelDescription& description_;
  const FeatureColumn& column_;
  const YamlNode& node_;
};

}  // namespace

absl::Status CheckColumns(const YamlNode& columns, const ModelDescription& description) {
  for (std::size_t c = 0; c < columns.children.size(); ++c) {
    const FeatureColumn& column = description.columns[c];
    const ColumnChecker checker(description, column, columns.children[c]);
    DIME_RETURN_IF_ERROR(std::visit(checker, column.kind));
  }
  return absl::OkStatus();
}

}  // namespace dime::models::internal
