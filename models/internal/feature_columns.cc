#include "models/internal/feature_columns.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "models/internal/text.h"

namespace dime::models::internal {
namespace {

constexpr std::size_t kMaxNameBytes = 200;

template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

constexpr Choice<ops::Combiner> kCombiners[] = {
    {"mean", ops::Combiner::kMean}, {"sum", ops::Combiner::kSum}, {"sqrtn", ops::Combiner::kSqrtn}};

// --- Reading: one function a kind, from its keys to its struct.

using Kind = decltype(FeatureColumn::kind);

absl::Status ReadNumeric(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind"}, {"field"}));
  NumericColumn column{.field = node.key};
  DIME_RETURN_IF_ERROR(ReadText(node.Find("field"), &column.field));
  *kind = std::move(column);
  return absl::OkStatus();
}

absl::Status ReadVocabularyList(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind", "vocabulary"}, {"field"}));
  VocabularyListColumn column{.field = node.key, .vocabulary = {}};
  DIME_RETURN_IF_ERROR(ReadText(node.Find("field"), &column.field));
  DIME_RETURN_IF_ERROR(ReadVocabulary(*node.Find("vocabulary"), &column.vocabulary));
  *kind = std::move(column);
  return absl::OkStatus();
}

absl::Status ReadHashBucket(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind", "buckets"}, {"field"}));
  HashBucketColumn column{.field = node.key};
  DIME_RETURN_IF_ERROR(ReadText(node.Find("field"), &column.field));
  DIME_RETURN_IF_ERROR(ReadInteger(node.Find("buckets"), 1, kMaxIds, &column.num_buckets));
  *kind = std::move(column);
  return absl::OkStatus();
}

absl::Status ReadBucketized(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind", "source", "boundaries"}, {}));
  BucketizedColumn column;
  DIME_RETURN_IF_ERROR(ReadText(node.Find("source"), &column.source));
  const YamlNode& boundaries = *node.Find("boundaries");
  if (boundaries.kind != YamlNode::Kind::kList || boundaries.children.empty()) {
    return boundaries.Error("a list of one or more ascending numbers is expected: [18, 25, 30]");
  }
  for (const YamlNode& item : boundaries.children) {
    float boundary = 0;
    DIME_RETURN_IF_ERROR(ReadFloat(&item, &boundary));
    if (!column.boundaries.empty() && !(boundary > column.boundaries.back())) {
      return item.Error("{} is not greater than the boundary before it, {}; boundaries ascend",
                        boundary, column.boundaries.back());
    }
    column.boundaries.push_back(boundary);
  }
  *kind = std::move(column);
  return absl::OkStatus();
}

absl::Status ReadCrossKey(const YamlNode& node, CrossKey* key) {
  if (node.kind != YamlNode::Kind::kMap) return ReadText(&node, &key->name);
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"column"}, {}));
  key->is_column = true;
  return ReadText(node.Find("column"), &key->name);
}

absl::Status ReadCrossed(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind", "keys", "buckets"}, {"hash_key"}));
  CrossedColumn column;
  const YamlNode& keys = *node.Find("keys");
  if (keys.kind != YamlNode::Kind::kList || keys.children.size() < 2) {
    return keys.Error(
        "a list of two or more is expected, of fields or columns: [a, {{column: b}}]");
  }
  for (const YamlNode& item : keys.children) {
    DIME_RETURN_IF_ERROR(ReadCrossKey(item, &column.keys.emplace_back()));
  }
  DIME_RETURN_IF_ERROR(ReadInteger(node.Find("buckets"), 1, kMaxIds, &column.num_buckets));
  DIME_RETURN_IF_ERROR(ReadUnsigned(node.Find("hash_key"), &column.hash_key));
  *kind = std::move(column);
  return absl::OkStatus();
}

absl::Status ReadIndicator(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind", "source"}, {}));
  IndicatorColumn column;
  DIME_RETURN_IF_ERROR(ReadText(node.Find("source"), &column.source));
  *kind = std::move(column);
  return absl::OkStatus();
}

absl::Status ReadEmbedding(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind", "source", "dimension"}, {"combiner"}));
  EmbeddingColumn column;
  DIME_RETURN_IF_ERROR(ReadText(node.Find("source"), &column.source));
  DIME_RETURN_IF_ERROR(ReadInteger(node.Find("dimension"), 1, kMaxDim, &column.dim));
  DIME_RETURN_IF_ERROR(ReadChoice(node.Find("combiner"), kCombiners, &column.combiner));
  *kind = std::move(column);
  return absl::OkStatus();
}

// One row a kind, in the order of FeatureColumn::kind's alternatives.
struct KindReader {
  std::string_view name;
  absl::Status (*read)(const YamlNode& node, Kind* kind);
};
constexpr std::array<KindReader, std::variant_size_v<Kind>> kKinds = {{
    {"numeric", ReadNumeric},
    {"vocabulary_list", ReadVocabularyList},
    {"hash_bucket", ReadHashBucket},
    {"bucketized", ReadBucketized},
    {"crossed", ReadCrossed},
    {"indicator", ReadIndicator},
    {"embedding", ReadEmbedding},
}};

absl::Status ReadColumn(const YamlNode& node, FeatureColumn* column) {
  DIME_RETURN_IF_ERROR(CheckName(node, node.key));
  column->name = node.key;
  const YamlNode* const kind = node.Find("kind");
  if (node.kind != YamlNode::Kind::kMap || kind == nullptr) {
    return node.Error("a mapping with the key 'kind' is expected: {{kind: numeric}}");
  }
  std::string name;
  DIME_RETURN_IF_ERROR(ReadText(kind, &name));
  std::vector<std::string> known;
  for (const KindReader& reader : kKinds) {
    if (reader.name == name) return reader.read(node, &column->kind);
    known.emplace_back(reader.name);
  }
  return UnknownName(*kind, "kind of column", name, known);
}

// --- Checking: what a column refers to exists and is of the right kind.

class ColumnChecker {
 public:
  ColumnChecker(const ModelDescription& description, const FeatureColumn& column,
                const YamlNode& node)
      : description_(description), column_(column), node_(node) {}

  absl::Status operator()(const NumericColumn& column) const {
    return CheckField(PlaceOf("field"), column.field, {FieldType::kInteger, FieldType::kFloat});
  }
  absl::Status operator()(const VocabularyListColumn& column) const {
    return CheckField(PlaceOf("field"), column.field, {FieldType::kString});
  }
  absl::Status operator()(const HashBucketColumn& column) const {
    return CheckField(PlaceOf("field"), column.field, {FieldType::kString});
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
    return CheckOwnName(column.source + "_indicator");
  }
  absl::Status operator()(const EmbeddingColumn& column) const {
    DIME_RETURN_IF_ERROR(
        CheckColumn(PlaceOf("source"), column.source, IsCategorical, "categorical"));
    return CheckOwnName(column.source + "_embedding");
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

  [[nodiscard]] absl::Status CheckField(const YamlNode& place, const std::string& name,
                                        std::initializer_list<FieldType> allowed) const {
    const int position = description_.FindField(name);
    if (position < 0) {
      std::vector<std::string> known;
      for (const Field& field : description_.input.fields) known.push_back(field.name);
      return UnknownName(place, "field", name, known);
    }
    if (name == description_.label.field) {
      return place.Error("'{}' is the label; a feature must not be made from it", name);
    }
    const FieldType type = description_.input.fields[static_cast<std::size_t>(position)].type;
    if (std::find(allowed.begin(), allowed.end(), type) == allowed.end()) {
      return place.Error("the field '{}' is {}; a {} column takes {}", name,
                         type == FieldType::kString ? "a string" : "a number", KindName(column_),
                         type == FieldType::kString ? "an integer or a float" : "a string");
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
      return CheckField(place, key.name, {FieldType::kString});
    }
    DIME_RETURN_IF_ERROR(CheckColumn(place, key.name, IsCategorical, "categorical"));
    const Kind& kind = description_.FindColumn(key.name)->kind;
    if (const auto* hashed = std::get_if<HashBucketColumn>(&kind)) {
      return place.Error(
          "'{}' is a hash_bucket column, whose ids would be hashed twice; name its field: {}",
          key.name, hashed->field);
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

// --- Writing

YamlNode WriteCrossKey(const CrossKey& key) {
  if (!key.is_column) return YamlNode::Text(key.name);
  return YamlNode::Map().Add("column", YamlNode::Text(key.name));
}

YamlNode WriteColumn(const FeatureColumn& column) {
  YamlNode node = YamlNode::Map();
  const auto add = [&node](std::string_view key, YamlNode value) {
    node.Add(key, std::move(value));
  };
  const auto add_number = [&add](std::string_view key, auto value) {
    add(key, YamlNode::Text(fmt::format("{}", value)));
  };
  add("kind", YamlNode::Text(std::string(KindName(column))));
  std::visit(Overloaded{
                 [&](const NumericColumn& c) { add("field", YamlNode::Text(c.field)); },
                 [&](const VocabularyListColumn& c) {
                   add("field", YamlNode::Text(c.field));
                   add("vocabulary", YamlNode::TextList(c.vocabulary));
                 },
                 [&](const HashBucketColumn& c) {
                   add("field", YamlNode::Text(c.field));
                   add_number("buckets", c.num_buckets);
                 },
                 [&](const BucketizedColumn& c) {
                   std::vector<YamlNode> boundaries;
                   for (const float b : c.boundaries) {
                     boundaries.push_back(YamlNode::Text(fmt::format("{}", b)));
                   }
                   add("source", YamlNode::Text(c.source));
                   add("boundaries", YamlNode::List(std::move(boundaries)));
                 },
                 [&](const CrossedColumn& c) {
                   std::vector<YamlNode> keys;
                   std::transform(c.keys.begin(), c.keys.end(), std::back_inserter(keys),
                                  WriteCrossKey);
                   add("keys", YamlNode::List(std::move(keys)));
                   add_number("buckets", c.num_buckets);
                   if (c.hash_key != ops::kDefaultCrossKey) add_number("hash_key", c.hash_key);
                 },
                 [&](const IndicatorColumn& c) { add("source", YamlNode::Text(c.source)); },
                 [&](const EmbeddingColumn& c) {
                   add("source", YamlNode::Text(c.source));
                   add_number("dimension", c.dim);
                   add("combiner", YamlNode::Text(std::string(ChoiceName(kCombiners, c.combiner))));
                 },
             },
             column.kind);
  return node;
}

}  // namespace

std::string_view KindName(const FeatureColumn& column) { return kKinds[column.kind.index()].name; }

std::int64_t NumIds(const FeatureColumn& column) {
  return std::visit(Overloaded{
                        [](const VocabularyListColumn& c) {
                          return static_cast<std::int64_t>(c.vocabulary.size());
                        },
                        [](const HashBucketColumn& c) { return c.num_buckets; },
                        [](const BucketizedColumn& c) {
                          return static_cast<std::int64_t>(c.boundaries.size()) + 1;
                        },
                        [](const CrossedColumn& c) { return c.num_buckets; },
                        [](const auto& /*dense*/) { return std::int64_t{0}; },
                    },
                    column.kind);
}

std::int64_t DenseWidth(const ModelDescription& description, const FeatureColumn& column) {
  if (std::holds_alternative<NumericColumn>(column.kind)) return 1;
  if (const auto* embedding = std::get_if<EmbeddingColumn>(&column.kind)) return embedding->dim;
  if (std::holds_alternative<IndicatorColumn>(column.kind)) {
    return NumIds(*SourceOf(description, column));
  }
  return 0;
}

const FeatureColumn* SourceOf(const ModelDescription& description, const FeatureColumn& column) {
  return std::visit(
      Overloaded{
          [&](const BucketizedColumn& c) { return description.FindColumn(c.source); },
          [&](const IndicatorColumn& c) { return description.FindColumn(c.source); },
          [&](const EmbeddingColumn& c) { return description.FindColumn(c.source); },
          [](const auto& /*made from fields*/) -> const FeatureColumn* { return nullptr; },
      },
      column.kind);
}

std::vector<CrossKey> KeysAsHashed(const CrossedColumn& column) {
  std::vector<CrossKey> keys = column.keys;
  std::stable_partition(keys.begin(), keys.end(),
                        [](const CrossKey& key) { return key.is_column; });
  return keys;
}

absl::Status CheckName(const YamlNode& node, std::string_view name) {
  constexpr auto is_letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  constexpr auto is_allowed = [is_letter_or_digit](char c) {
    return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-';
  };
  const bool is_good = !name.empty() && name.size() <= kMaxNameBytes &&
                       (is_letter_or_digit(name.front()) || name.front() == '_') &&
                       std::all_of(name.begin(), name.end(), is_allowed);
  if (is_good) return absl::OkStatus();
  return node.Error(
      "{} is no name; a letter, digit or _ is expected, then letters, digits and _ . -, {} at most",
      Quoted(name), kMaxNameBytes);
}

absl::Status ReadVocabulary(const YamlNode& node, std::vector<std::string>* vocabulary) {
  DIME_RETURN_IF_ERROR(ReadTexts(&node, vocabulary));
  if (vocabulary->empty()) return node.Error("is empty; one or more texts are expected: [a, b]");
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < vocabulary->size(); ++i) {
    const std::string_view entry = Trimmed((*vocabulary)[i]);
    if (entry.empty()) {
      return node.children[i].Error("is blank; an empty value counts as missing, never matches");
    }
    if (!seen.insert(entry).second) {
      return node.children[i].Error("{} is there already; blanks around a text do not count",
                                    Quoted(entry));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadColumns(const YamlNode& columns, ModelDescription* description) {
  if (columns.kind != YamlNode::Kind::kMap || columns.children.empty()) {
    return columns.Error("a mapping of names to columns is expected: age: {{kind: numeric}}");
  }
  for (const YamlNode& node : columns.children) {
    DIME_RETURN_IF_ERROR(ReadColumn(node, &description->columns.emplace_back()));
  }
  for (std::size_t c = 0; c < columns.children.size(); ++c) {
    const FeatureColumn& column = description->columns[c];
    const ColumnChecker checker(*description, column, columns.children[c]);
    DIME_RETURN_IF_ERROR(std::visit(checker, column.kind));
  }
  return absl::OkStatus();
}

YamlNode WriteColumns(const ModelDescription& description) {
  YamlNode node = YamlNode::Map();
  for (const FeatureColumn& column : description.columns) {
    node.Add(column.name, WriteColumn(column));
  }
  return node;
}

}  // namespace dime::models::internal
