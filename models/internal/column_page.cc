#include "models/internal/column_page.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <set>
#include <utility>
#include <variant>

#include "models/internal/column_checker.h"
#include "models/internal/feature_columns.h"
#include "models/internal/text.h"
#include "models/internal/unbounded_page.h"
#include "models/internal/vocabulary_file.h"
#include "runtime/storage/file_system.h"

namespace dime::models::internal {
namespace {

constexpr std::size_t kMaxNameBytes = 200;

constexpr Choice<ops::Combiner> kCombiners[] = {
    {"mean", ops::Combiner::kMean}, {"sum", ops::Combiner::kSum}, {"sqrtn", ops::Combiner::kSqrtn}};
constexpr Choice<NormalizerKind> kNormalizers[] = {{"z_score", NormalizerKind::kZScore},
                                                   {"min_max", NormalizerKind::kMinMax},
                                                   {"log", NormalizerKind::kLog}};

// --- Reading: one function a kind, from its keys to its struct.

using Kind = decltype(FeatureColumn::kind);

absl::Status ReadZScore(const YamlNode& node, Normalizer* normalizer) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind", "mean", "stddev"}, {}));
  DIME_RETURN_IF_ERROR(ReadFloat(node.Find("mean"), &normalizer->mean));
  DIME_RETURN_IF_ERROR(ReadFloat(node.Find("stddev"), &normalizer->stddev));
  if (normalizer->stddev > 0) return absl::OkStatus();
  return node.Find("stddev")->Error("is {}; a number above 0 is expected", normalizer->stddev);
}

absl::Status ReadMinMax(const YamlNode& node, Normalizer* normalizer) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind", "min", "max"}, {}));
  DIME_RETURN_IF_ERROR(ReadFloat(node.Find("min"), &normalizer->min));
  DIME_RETURN_IF_ERROR(ReadFloat(node.Find("max"), &normalizer->max));
  const float range = normalizer->max - normalizer->min;
  if (range > 0 && std::isfinite(range)) return absl::OkStatus();
  return node.Find("max")->Error("is {}; a number above min, {}, is expected", normalizer->max,
                                 normalizer->min);
}

absl::Status ReadNormalizer(const YamlNode* node, Normalizer* normalizer) {
  if (node == nullptr) return absl::OkStatus();
  if (node->kind != YamlNode::Kind::kMap || node->Find("kind") == nullptr) {
    return node->Error("a normalizer is expected: {{kind: z_score, mean: 38.6, stddev: 13.7}}");
  }
  DIME_RETURN_IF_ERROR(ReadChoice(node->Find("kind"), kNormalizers, &normalizer->kind));
  switch (normalizer->kind) {
    case NormalizerKind::kZScore:
      return ReadZScore(*node, normalizer);
    case NormalizerKind::kMinMax:
      return ReadMinMax(*node, normalizer);
    case NormalizerKind::kLog:
    case NormalizerKind::kNone:
      break;
  }
  return CheckKeys(*node, {"kind"}, {});
}

YamlNode WriteNormalizer(const Normalizer& normalizer) {
  const auto number = [](float value) { return YamlNode::Text(fmt::format("{}", value)); };
  YamlNode node = YamlNode::Map();
  node.Add("kind", YamlNode::Text(std::string(ChoiceName(kNormalizers, normalizer.kind))));
  if (normalizer.kind == NormalizerKind::kZScore) {
    node.Add("mean", number(normalizer.mean)).Add("stddev", number(normalizer.stddev));
  }
  if (normalizer.kind == NormalizerKind::kMinMax) {
    node.Add("min", number(normalizer.min)).Add("max", number(normalizer.max));
  }
  return node;
}

absl::Status ReadNumeric(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind"}, {"field", "normalizer"}));
  NumericColumn column{.field = node.key};
  DIME_RETURN_IF_ERROR(ReadText(node.Find("field"), &column.field));
  DIME_RETURN_IF_ERROR(ReadNormalizer(node.Find("normalizer"), &column.normalizer));
  *kind = std::move(column);
  return absl::OkStatus();
}

absl::Status ReadVocabularyList(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind", "vocabulary"}, {"field", "oov_buckets"}));
  VocabularyColumn column{.field = node.key, .vocabulary = {}};
  DIME_RETURN_IF_ERROR(ReadText(node.Find("field"), &column.field));
  DIME_RETURN_IF_ERROR(ReadVocabulary(*node.Find("vocabulary"), &column.vocabulary));
  DIME_RETURN_IF_ERROR(ReadInteger(node.Find("oov_buckets"), 0, kMaxIds, &column.num_oov_buckets));
  *kind = std::move(column);
  return absl::OkStatus();
}

absl::Status ReadVocabularyFile(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(
      CheckKeys(node, {"kind", "file"}, {"field", "oov_buckets", "size", "fingerprint"}));
  VocabularyColumn column{.field = node.key, .vocabulary = {}};
  DIME_RETURN_IF_ERROR(ReadText(node.Find("field"), &column.field));
  DIME_RETURN_IF_ERROR(ReadText(node.Find("file"), &column.file));
  DIME_RETURN_IF_ERROR(ReadInteger(node.Find("oov_buckets"), 0, kMaxIds, &column.num_oov_buckets));
  std::int64_t size = 0;
  DIME_RETURN_IF_ERROR(ReadInteger(node.Find("size"), 1, kMaxVocabularySize, &size));
  if (column.file.empty()) return node.Find("file")->Error("is empty; a file's path is expected");
  if (!column.file.starts_with('/') && column.file.find("://") == std::string::npos) {
    column.file = storage::JoinPath(std::string(storage::DirName(*node.file)), column.file);
  }
  auto vocabulary = LoadVocabulary(column.file, size);
  if (!vocabulary.ok()) return node.Find("file")->Error("{}", base::MessageOf(vocabulary.status()));
  column.vocabulary = *std::move(vocabulary);
  std::uint64_t fingerprint = FingerprintOf(column.vocabulary);
  const std::uint64_t actual = fingerprint;
  DIME_RETURN_IF_ERROR(ReadUnsigned(node.Find("fingerprint"), &fingerprint));
  if (fingerprint != actual) {
    return node.Find("fingerprint")
        ->Error("is {}, but the entries of '{}' have {}: the file has changed", fingerprint,
                column.file, actual);
  }
  *kind = std::move(column);
  return absl::OkStatus();
}

// Of a column of hashes: `buckets`, or `unbounded` in its place; and other keys.
template <typename Column>
absl::Status ReadBuckets(const YamlNode& node, std::vector<std::string_view> required,
                         std::vector<std::string_view> optional, Column* column) {
  const YamlNode* const buckets = node.Find("buckets");
  const YamlNode* const unbounded = node.Find("unbounded");
  if (buckets != nullptr && unbounded != nullptr) {
    return unbounded->Error("stands beside 'buckets'; a column has one of the two");
  }
  required.emplace_back(unbounded == nullptr ? "buckets" : "unbounded");
  optional.emplace_back(unbounded == nullptr ? "unbounded" : "buckets");
  DIME_RETURN_IF_ERROR(CheckKeys(node, required, optional));
  if (unbounded == nullptr) return ReadInteger(buckets, 1, kMaxIds, &column->num_buckets);
  column->num_buckets = ops::UnboundedRows::kNumIds;
  return ReadUnbounded(*unbounded, &column->unbounded.emplace());
}

absl::Status ReadHashBucket(const YamlNode& node, Kind* kind) {
  HashBucketColumn column{.field = node.key};
  DIME_RETURN_IF_ERROR(ReadBuckets(node, {"kind"}, {"field"}, &column));
  DIME_RETURN_IF_ERROR(ReadText(node.Find("field"), &column.field));
  *kind = std::move(column);
  return absl::OkStatus();
}

absl::Status ReadIdentity(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind", "buckets"}, {"field", "default_id"}));
  IdentityColumn column{.field = node.key};
  DIME_RETURN_IF_ERROR(ReadText(node.Find("field"), &column.field));
  DIME_RETURN_IF_ERROR(ReadInteger(node.Find("buckets"), 1, kMaxIds, &column.num_buckets));
  DIME_RETURN_IF_ERROR(
      ReadInteger(node.Find("default_id"), 0, column.num_buckets - 1, &column.default_id));
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
  CrossedColumn column;
  DIME_RETURN_IF_ERROR(ReadBuckets(node, {"kind", "keys"}, {"hash_key"}, &column));
  const YamlNode& keys = *node.Find("keys");
  if (keys.kind != YamlNode::Kind::kList || keys.children.size() < 2) {
    return keys.Error(
        "a list of two or more is expected, of fields or columns: [a, {{column: b}}]");
  }
  for (const YamlNode& item : keys.children) {
    DIME_RETURN_IF_ERROR(ReadCrossKey(item, &column.keys.emplace_back()));
  }
  DIME_RETURN_IF_ERROR(ReadUnsigned(node.Find("hash_key"), &column.hash_key));
  *kind = std::move(column);
  return absl::OkStatus();
}

absl::Status ReadWeighted(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind", "source", "weight_field"}, {}));
  WeightedColumn column;
  DIME_RETURN_IF_ERROR(ReadText(node.Find("source"), &column.source));
  DIME_RETURN_IF_ERROR(ReadText(node.Find("weight_field"), &column.weight_field));
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

absl::Status ReadEmbedding(const YamlNode& node, EmbeddingColumn* column) {
  DIME_RETURN_IF_ERROR(ReadText(node.Find("source"), &column->source));
  DIME_RETURN_IF_ERROR(ReadInteger(node.Find("dimension"), 1, kMaxDim, &column->dim));
  return ReadChoice(node.Find("combiner"), kCombiners, &column->combiner);
}

absl::Status ReadOwnEmbedding(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"kind", "source", "dimension"}, {"combiner"}));
  EmbeddingColumn column;
  DIME_RETURN_IF_ERROR(ReadEmbedding(node, &column));
  *kind = std::move(column);
  return absl::OkStatus();
}

absl::Status ReadSharedEmbedding(const YamlNode& node, Kind* kind) {
  DIME_RETURN_IF_ERROR(
      CheckKeys(node, {"kind", "source", "dimension", "collection"}, {"combiner"}));
  EmbeddingColumn column;
  DIME_RETURN_IF_ERROR(ReadEmbedding(node, &column));
  const YamlNode& collection = *node.Find("collection");
  DIME_RETURN_IF_ERROR(ReadText(&collection, &column.collection));
  DIME_RETURN_IF_ERROR(CheckName(collection, column.collection));
  *kind = std::move(column);
  return absl::OkStatus();
}

struct KindReader {
  std::string_view name;
  absl::Status (*read)(const YamlNode& node, Kind* kind);
};
constexpr KindReader kKinds[] = {
    {"numeric", ReadNumeric},
    {"vocabulary_list", ReadVocabularyList},
    {"vocabulary_file", ReadVocabularyFile},
    {"hash_bucket", ReadHashBucket},
    {"identity", ReadIdentity},
    {"bucketized", ReadBucketized},
    {"crossed", ReadCrossed},
    {"weighted", ReadWeighted},
    {"indicator", ReadIndicator},
    {"embedding", ReadOwnEmbedding},
    {"shared_embedding", ReadSharedEmbedding},
};

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
  const auto add_buckets = [&](const auto& hashed) {
    if (hashed.unbounded) {
      add("unbounded", WriteUnbounded(*hashed.unbounded));
    } else {
      add_number("buckets", hashed.num_buckets);
    }
  };
  add("kind", YamlNode::Text(std::string(KindName(column))));
  std::visit(Overloaded{
                 [&](const NumericColumn& c) {
                   add("field", YamlNode::Text(c.field));
                   if (c.normalizer.kind != NormalizerKind::kNone) {
                     add("normalizer", WriteNormalizer(c.normalizer));
                   }
                 },
                 [&](const VocabularyColumn& c) {
                   add("field", YamlNode::Text(c.field));
                   if (c.file.empty()) {
                     add("vocabulary", YamlNode::TextList(c.vocabulary));
                   } else {
                     add("file", YamlNode::Text(c.file));
                     add_number("size", c.vocabulary.size());
                     add_number("fingerprint", FingerprintOf(c.vocabulary));
                   }
                   if (c.num_oov_buckets > 0) add_number("oov_buckets", c.num_oov_buckets);
                 },
                 [&](const HashBucketColumn& c) {
                   add("field", YamlNode::Text(c.field));
                   add_buckets(c);
                 },
                 [&](const IdentityColumn& c) {
                   add("field", YamlNode::Text(c.field));
                   add_number("buckets", c.num_buckets);
                   if (c.default_id >= 0) add_number("default_id", c.default_id);
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
                   add_buckets(c);
                   if (c.hash_key != ops::kDefaultCrossKey) add_number("hash_key", c.hash_key);
                 },
                 [&](const WeightedColumn& c) {
                   add("source", YamlNode::Text(c.source));
                   add("weight_field", YamlNode::Text(c.weight_field));
                 },
                 [&](const IndicatorColumn& c) { add("source", YamlNode::Text(c.source)); },
                 [&](const EmbeddingColumn& c) {
                   add("source", YamlNode::Text(c.source));
                   add_number("dimension", c.dim);
                   add("combiner", YamlNode::Text(std::string(ChoiceName(kCombiners, c.combiner))));
                   if (!c.collection.empty()) add("collection", YamlNode::Text(c.collection));
                 },
             },
             column.kind);
  return node;
}

}  // namespace

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
  return CheckColumns(columns, *description);
}

YamlNode WriteColumns(const ModelDescription& description) {
  YamlNode node = YamlNode::Map();
  for (const FeatureColumn& column : description.columns) {
    node.Add(column.name, WriteColumn(column));
  }
  return node;
}

}  // namespace dime::models::internal
