#include "models/internal/feature_columns.h"

#include <algorithm>
#include <string>
#include <variant>

namespace dime::models::internal {
namespace {

const Field& FieldNamed(const ModelDescription& description, std::string_view name) {
  return description.input.fields[static_cast<std::size_t>(description.FindField(name))];
}

// Of a numeric column.
std::int64_t NumValues(const ModelDescription& description, const FeatureColumn& column) {
  return FieldNamed(description, std::get<NumericColumn>(column.kind).field).num_values;
}

}  // namespace

std::string_view KindName(const FeatureColumn& column) {
  using Name = std::string_view;
  return std::visit(Overloaded{
                        [](const NumericColumn&) -> Name { return "numeric"; },
                        [](const VocabularyColumn& c) -> Name {
                          return c.file.empty() ? "vocabulary_list" : "vocabulary_file";
                        },
                        [](const HashBucketColumn&) -> Name { return "hash_bucket"; },
                        [](const IdentityColumn&) -> Name { return "identity"; },
                        [](const BucketizedColumn&) -> Name { return "bucketized"; },
                        [](const CrossedColumn&) -> Name { return "crossed"; },
                        [](const WeightedColumn&) -> Name { return "weighted"; },
                        [](const IndicatorColumn&) -> Name { return "indicator"; },
                        [](const EmbeddingColumn& c) -> Name {
                          return c.collection.empty() ? "embedding" : "shared_embedding";
                        },
                    },
                    column.kind);
}

std::int64_t NumIds(const ModelDescription& description, const FeatureColumn& column) {
  return std::visit(
      Overloaded{
          [](const VocabularyColumn& c) {
            return static_cast<std::int64_t>(c.vocabulary.size()) + c.num_oov_buckets;
          },
          [](const HashBucketColumn& c) { return c.num_buckets; },
          [](const IdentityColumn& c) { return c.num_buckets; },
          [&](const BucketizedColumn& c) {
            const auto num_buckets = static_cast<std::int64_t>(c.boundaries.size()) + 1;
            return num_buckets * NumValues(description, *description.FindColumn(c.source));
          },
          [](const CrossedColumn& c) { return c.num_buckets; },
          [&](const WeightedColumn& c) {
            return NumIds(description, *description.FindColumn(c.source));
          },
          [](const auto& /*dense*/) { return std::int64_t{0}; },
      },
      column.kind);
}

bool IsCategorical(const FeatureColumn& column) {
  return !std::holds_alternative<NumericColumn>(column.kind) &&
         !std::holds_alternative<IndicatorColumn>(column.kind) &&
         !std::holds_alternative<EmbeddingColumn>(column.kind);
}

std::optional<ops::UnboundedRows> UnboundedRowsOf(const ModelDescription& description,
                                                  const FeatureColumn& column) {
  if (const auto* const hashed = std::get_if<HashBucketColumn>(&column.kind)) {
    return hashed->unbounded;
  }
  if (const auto* const cross = std::get_if<CrossedColumn>(&column.kind)) return cross->unbounded;
  const FeatureColumn* const source = SourceOf(description, column);
  return source == nullptr ? std::nullopt : UnboundedRowsOf(description, *source);
}

std::int64_t DenseWidth(const ModelDescription& description, const FeatureColumn& column) {
  if (std::holds_alternative<NumericColumn>(column.kind)) return NumValues(description, column);
  if (const auto* embedding = std::get_if<EmbeddingColumn>(&column.kind)) return embedding->dim;
  if (std::holds_alternative<IndicatorColumn>(column.kind)) {
    return NumIds(description, *SourceOf(description, column));
  }
  return 0;
}

const FeatureColumn* SourceOf(const ModelDescription& description, const FeatureColumn& column) {
  return std::visit(
      Overloaded{
          [&](const BucketizedColumn& c) { return description.FindColumn(c.source); },
          [&](const WeightedColumn& c) { return description.FindColumn(c.source); },
          [&](const IndicatorColumn& c) { return description.FindColumn(c.source); },
          [&](const EmbeddingColumn& c) { return description.FindColumn(c.source); },
          [](const auto& /*made from fields*/) -> const FeatureColumn* { return nullptr; },
      },
      column.kind);
}

std::string_view FieldOf(const FeatureColumn& column) {
  return std::visit(Overloaded{
                        [](const NumericColumn& c) -> std::string_view { return c.field; },
                        [](const VocabularyColumn& c) -> std::string_view { return c.field; },
                        [](const HashBucketColumn& c) -> std::string_view { return c.field; },
                        [](const IdentityColumn& c) -> std::string_view { return c.field; },
                        [](const auto& /*made from columns*/) -> std::string_view { return ""; },
                    },
                    column.kind);
}

bool GivesLists(const ModelDescription& description, const FeatureColumn& column) {
  if (const auto* const cross = std::get_if<CrossedColumn>(&column.kind)) {
    return std::ranges::any_of(cross->keys, [&](const CrossKey& key) {
      return key.is_column ? GivesLists(description, *description.FindColumn(key.name))
                           : FieldNamed(description, key.name).is_list();
    });
  }
  if (const FeatureColumn* const source = SourceOf(description, column)) {
    return GivesLists(description, *source);
  }
  return FieldNamed(description, FieldOf(column)).is_list();
}

bool IsTakenAsIntegers(const ModelDescription& description, const Field& field) {
  if (field.type != FieldType::kInteger) return false;
  return std::ranges::any_of(description.columns, [&](const FeatureColumn& column) {
    if (const auto* const cross = std::get_if<CrossedColumn>(&column.kind)) {
      return std::ranges::any_of(cross->keys, [&](const CrossKey& key) {
        return !key.is_column && key.name == field.name;
      });
    }
    return IsCategorical(column) && FieldOf(column) == field.name;
  });
}

std::vector<CrossKey> KeysAsHashed(const ModelDescription& description,
                                   const CrossedColumn& column) {
  std::vector<CrossKey> keys = column.keys;
  std::stable_partition(keys.begin(), keys.end(), [&](const CrossKey& key) {
    return key.is_column || FieldNamed(description, key.name).is_list();
  });
  return keys;
}

}  // namespace dime::models::internal
