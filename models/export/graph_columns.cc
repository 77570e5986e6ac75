#include "models/export/graph_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string_view>

#include "models/internal/feature_columns.h"
#include "models/internal/text.h"
#include "ops/hashing.h"
#include "runtime/base/check.h"

namespace dime::models::internal {
namespace {

// Tables with one name are one table to all graphs of a process, so the name says what is in it.
std::string TableName(const std::vector<std::string>& keys) {
  std::string joined;
  for (const std::string& key : keys) joined += fmt::format("{}:{}", key.size(), key);
  return fmt::format("dime_vocabulary_{:016x}", ops::Fingerprint64(joined));
}

constexpr auto kFloat = ValueType::kFloat;
constexpr auto kInt64 = ValueType::kInt64;

Attributes CrossAttributes(const CrossedColumn& column, std::vector<ValueType> sparse_types,
                           std::vector<ValueType> dense_types) {
  std::int64_t hash_key = 0;
  std::memcpy(&hash_key, &column.hash_key, sizeof(hash_key));
  return {{"N", static_cast<std::int64_t>(sparse_types.size())},
          {"hashed_output", true},
          {"num_buckets", column.num_buckets},
          {"hash_key", hash_key},
          {"sparse_types", std::move(sparse_types)},
          {"dense_types", std::move(dense_types)},
          {"out_type", kInt64},
          {"internal_type", kInt64}};
}

}  // namespace

std::string GraphColumns::AsMatrix(const std::string& name, const std::string& vector,
                                   ValueType type) {
  const std::string axis = graph_->AddConst(name + "/axis", Int32Tensor({}, {1}));
  return graph_->Add("ExpandDims", name, {vector, axis}, {{"T", type}});
}

bool GraphColumns::IsList(const std::string& field) const {
  return description_.input.fields[static_cast<std::size_t>(description_.FindField(field))]
      .is_list();
}

// --- Dense columns

std::string GraphColumns::NormalizedField(const std::string& column, const std::string& scope) {
  const auto& numeric = std::get<NumericColumn>(description_.FindColumn(column)->kind);
  const Normalizer& normalizer = numeric.normalizer;
  const std::string& value = Field(numeric.field);
  const auto constant = [&](const std::string& name, float number) {
    return graph_->AddConst(scope + name, FloatTensor({}, {number}));
  };
  const auto add = [&](std::string_view op, const std::string& name,
                       const std::vector<std::string>& inputs) {
    return graph_->Add(op, scope + name, inputs, {{"T", kFloat}});
  };
  switch (normalizer.kind) {
    case NormalizerKind::kNone:
      return value;
    case NormalizerKind::kZScore:
    case NormalizerKind::kMinMax: {
      const bool is_z_score = normalizer.kind == NormalizerKind::kZScore;
      const float shift = is_z_score ? normalizer.mean : normalizer.min;
      const float scale = is_z_score ? normalizer.stddev : normalizer.max - normalizer.min;
      return add(
          "RealDiv", "/normalized",
          {add("Sub", "/shifted", {value, constant("/shift", shift)}), constant("/scale", scale)});
    }
    case NormalizerKind::kLog:
      return add("Log1p", "/normalized",
                 {add("Maximum", "/not_negative", {value, constant("/zero", 0)})});
  }
  DIME_CHECK(false);
}

std::string GraphColumns::Numbers(const std::string& column) {
  std::string& node = numbers_[column];
  if (node.empty()) {
    const std::string scope = "numbers/" + column;
    const auto& numeric = std::get<NumericColumn>(description_.FindColumn(column)->kind);
    node = NormalizedField(column, scope);
    if (!IsList(numeric.field)) node = AsMatrix(scope, node, kFloat);
  }
  return node;
}

std::string GraphColumns::OneHot(const std::string& column, const std::string& scope) {
  const std::int64_t depth = NumIds(description_, *description_.FindColumn(column));
  const Ids& ids = IdsOf(column);
  const std::string one_hot =
      graph_->Add("OneHot", scope + "/one_hot",
                  {ids.node, graph_->AddConst(scope + "/depth", Int32Tensor({}, {depth})),
                   graph_->AddConst(scope + "/on", FloatTensor({}, {1})),
                   graph_->AddConst(scope + "/off", FloatTensor({}, {0}))},
                  {{"T", kFloat}});
  if (!ids.is_list) return one_hot;
  const std::string last = graph_->AddConst(scope + "/last", Int32Tensor({}, {2}));
  const std::string factors =
      graph_->Add("ExpandDims", scope + "/factors",
                  {Factors(ids, /*only_positive=*/false, scope), last}, {{"T", kFloat}});
  const std::string counts =
      graph_->Add("Mul", scope + "/counts", {one_hot, factors}, {{"T", kFloat}});
  const std::string values = graph_->AddConst(scope + "/values", Int32Tensor({}, {1}));
  return graph_->Add("Sum", scope + "/sum", {counts, values}, {{"T", kFloat}});
}

// Finds each id by bisection: nothing has to be filled before, as hash tables would have to be.
std::string GraphColumns::RowNumbers(const std::string& ids, const Table& table,
                                     const std::string& scope) {
  if (table.ids.empty()) return ids;
  const std::string first = graph_->AddConst(scope + "/first", Int32Tensor({}, {0}));
  const std::string known =
      graph_->Add("ExpandDims", scope + "/known_ids", {table.ids, first}, {{"T", kInt64}});
  const std::string flat = graph_->Add(
      "Reshape", scope + "/flat_ids",
      {ids, graph_->AddConst(scope + "/flat", Int32Tensor({2}, {1, -1}))}, {{"T", kInt64}});
  const std::string places = graph_->Add("LowerBound", scope + "/places", {known, flat},
                                         {{"T", kInt64}, {"out_type", kInt64}});
  const std::string found =
      graph_->Add("GatherV2", scope + "/found_ids", {table.ids, places, first},
                  {{"Tparams", kInt64}, {"Tindices", kInt64}, {"Taxis", ValueType::kInt32}});
  const std::string is_known =
      graph_->Add("Equal", scope + "/is_known", {found, flat}, {{"T", kInt64}});
  const std::string size =
      graph_->Add("Size", scope + "/num_rows", {table.ids}, {{"T", kInt64}, {"out_type", kInt64}});
  const std::string last =
      graph_->Add("Sub", scope + "/other_row",
                  {size, graph_->AddConst(scope + "/one", Int64Tensor({}, {1}))}, {{"T", kInt64}});
  const std::string numbers =
      graph_->Add("SelectV2", scope + "/flat_numbers", {is_known, places, last}, {{"T", kInt64}});
  const std::string shape = graph_->Add("Shape", scope + "/shape", {ids}, {{"T", kInt64}});
  return graph_->Add("Reshape", scope + "/numbers", {numbers, shape}, {{"T", kInt64}});
}

std::string GraphColumns::Rows(const std::string& column, const Table& table,
                               ops::Combiner combiner, const std::string& scope) {
  const Ids& ids = IdsOf(column);
  if (ids.is_list) return RowsOfLists(ids, table, combiner, scope);
  const std::string axis = graph_->AddConst(scope + "/axis", Int32Tensor({}, {0}));
  const auto gather = [&](const std::string& indices) {
    return graph_->Add("GatherV2", scope + "/rows",
                       {table.rows, RowNumbers(indices, table, scope), axis},
                       {{"Tparams", kFloat}, {"Tindices", kInt64}, {"Taxis", ValueType::kInt32}});
  };
  if (!ids.may_be_invalid) return gather(ids.node);

  // Row 0 instead of the row that is not there, times zero.
  const std::string zero = graph_->AddConst(scope + "/zero", Int64Tensor({}, {0}));
  const std::string rows =
      gather(graph_->Add("Maximum", scope + "/some_id", {ids.node, zero}, {{"T", kInt64}}));
  const std::string is_valid =
      graph_->Add("GreaterEqual", scope + "/is_valid", {ids.node, zero}, {{"T", kInt64}});
  const std::string factor = graph_->Add("Cast", scope + "/factor", {is_valid},
                                         {{"SrcT", ValueType::kBool}, {"DstT", kFloat}});
  return graph_->Add("Mul", scope + "/valid_rows",
                     {rows, AsMatrix(scope + "/factors", factor, kFloat)}, {{"T", kFloat}});
}

std::string GraphColumns::RowsOfLists(const Ids& ids, const Table& table, ops::Combiner combiner,
                                      const std::string& scope) {
  const auto add = [&](std::string_view op, const std::string& name,
                       const std::vector<std::string>& inputs, Attributes attributes = {}) {
    attributes.emplace_back("T", kFloat);
    return graph_->Add(op, scope + name, inputs, attributes);
  };
  const std::string zero = graph_->AddConst(scope + "/zero", Int64Tensor({}, {0}));
  const std::string some_ids =
      graph_->Add("Maximum", scope + "/some_ids", {ids.node, zero}, {{"T", kInt64}});
  const std::string axis = graph_->AddConst(scope + "/axis", Int32Tensor({}, {0}));
  const std::string rows = graph_->Add(
      "GatherV2", scope + "/rows", {table.rows, RowNumbers(some_ids, table, scope), axis},
      {{"Tparams", kFloat}, {"Tindices", kInt64}, {"Taxis", ValueType::kInt32}});
  const std::string factors = Factors(ids, combiner != ops::Combiner::kSum, scope);
  const std::string last = graph_->AddConst(scope + "/last", Int32Tensor({}, {2}));
  const std::string values = graph_->AddConst(scope + "/values", Int32Tensor({}, {1}));
  const std::string sum = add(
      "Sum", "/sum",
      {add("Mul", "/valid_rows", {rows, add("ExpandDims", "/factors", {factors, last})}), values});
  if (combiner == ops::Combiner::kSum) return sum;
  std::string divisor = factors;
  if (combiner == ops::Combiner::kSqrtn) divisor = add("Square", "/squares", {divisor});
  divisor = add("Sum", "/divisor", {divisor, values}, {{"keep_dims", true}});
  if (combiner == ops::Combiner::kSqrtn) divisor = add("Sqrt", "/root", {divisor});
  return add("DivNoNan", "/combined", {sum, divisor});
}

std::string GraphColumns::Factors(const Ids& ids, bool only_positive, const std::string& scope) {
  const std::string none = graph_->AddConst(scope + "/no_id", Int64Tensor({}, {-1}));
  const std::string is_valid =
      graph_->Add("Greater", scope + "/is_valid", {ids.node, none}, {{"T", kInt64}});
  const std::string valid = graph_->Add("Cast", scope + "/valid", {is_valid},
                                        {{"SrcT", ValueType::kBool}, {"DstT", kFloat}});
  if (ids.weights.empty()) return valid;
  const std::string weights = only_positive ? graph_->Add("Relu", scope + "/positive_weights",
                                                          {ids.weights}, {{"T", kFloat}})
                                            : ids.weights;
  return graph_->Add("Mul", scope + "/weighted", {valid, weights}, {{"T", kFloat}});
}

// --- Categorical columns

const GraphColumns::Ids& GraphColumns::IdsOf(const std::string& column) {
  const auto known = ids_.find(column);
  if (known != ids_.end()) return known->second;
  Ids ids = std::visit([&](const auto& kind) { return Add("columns/" + column, kind); },
                       description_.FindColumn(column)->kind);
  ids.is_list = ids.is_list || GivesLists(description_, *description_.FindColumn(column));
  return ids_.emplace(column, std::move(ids)).first->second;
}

const std::string& GraphColumns::IsMissing(const std::string& field) {
  std::string& node = is_missing_[field];
  if (node.empty()) {
    const std::string scope = "missing/" + field;
    if (IsInteger(field)) {
      const std::string none = graph_->AddConst(scope + "/none", Int64Tensor({}, {-1}));
      node = graph_->Add("Equal", scope, {inputs_.integers.at(field), none}, {{"T", kInt64}});
    } else {
      const std::string empty = graph_->AddConst(scope + "/empty", StringTensor({}, {""}));
      node = graph_->Add("Equal", scope, {Field(field), empty}, {{"T", ValueType::kString}});
    }
  }
  return node;
}

std::string GraphColumns::FillLike(const std::string& scope, const std::string& like,
                                   std::int64_t value) {
  const std::string zeros = graph_->Add("ZerosLike", scope + "/zeros", {like}, {{"T", kInt64}});
  const std::string constant = graph_->AddConst(scope + "/value", Int64Tensor({}, {value}));
  return graph_->Add("AddV2", scope, {zeros, constant}, {{"T", kInt64}});
}

GraphColumns::Ids GraphColumns::WithoutMissing(const std::string& scope, const std::string& ids,
                                               const std::string& is_missing) {
  return {.node = graph_->Add("Select", scope + "/ids",
                              {is_missing, FillLike(scope + "/missing_id", ids, -1), ids},
                              {{"T", kInt64}}),
          .may_be_invalid = true,
          .is_missing = is_missing};
}

template <typename DenseColumn>
GraphColumns::Ids GraphColumns::Add(const std::string& /*scope*/, const DenseColumn& /*column*/) {
  DIME_CHECK(false);
}

GraphColumns::Ids GraphColumns::Add(const std::string& scope, const VocabularyColumn& column) {
  std::vector<std::string> keys;
  for (const std::string& entry : column.vocabulary) keys.emplace_back(Trimmed(entry));
  std::vector<std::int64_t> positions(keys.size());
  std::iota(positions.begin(), positions.end(), 0);
  const auto size = static_cast<std::int64_t>(keys.size());

  const std::string table = graph_->Add("HashTableV2", scope + "/table", {},
                                        {{"key_dtype", ValueType::kString},
                                         {"value_dtype", kInt64},
                                         {"shared_name", TableName(keys)}});
  initializers_.push_back(
      graph_->Add("InitializeTableV2", scope + "/table_init",
                  {table, graph_->AddConst(scope + "/keys", StringTensor({size}, std::move(keys))),
                   graph_->AddConst(scope + "/values", Int64Tensor({size}, std::move(positions)))},
                  {{"Tkey", ValueType::kString}, {"Tval", kInt64}}));
  const std::string text = graph_->Add("StringStrip", scope + "/text", {Field(column.field)});
  const std::string none = graph_->AddConst(scope + "/none", Int64Tensor({}, {-1}));
  const std::string found = scope + (column.num_oov_buckets > 0 ? "/found" : "/ids");
  const std::string ids = graph_->Add("LookupTableFindV2", found, {table, text, none},
                                      {{"Tin", ValueType::kString}, {"Tout", kInt64}});
  if (column.num_oov_buckets > 0) {
    return WithoutMissing(scope, WithOutOfVocabulary(scope, column, text, ids),
                          IsMissing(column.field));
  }
  return {.node = ids, .may_be_invalid = true, .is_missing = IsMissing(column.field)};
}

std::string GraphColumns::WithOutOfVocabulary(const std::string& scope,
                                              const VocabularyColumn& column,
                                              const std::string& text, const std::string& ids) {
  const auto size = static_cast<std::int64_t>(column.vocabulary.size());
  const std::string buckets = graph_->Add("StringToHashBucketFast", scope + "/oov_buckets", {text},
                                          {{"num_buckets", column.num_oov_buckets}});
  const std::string first = graph_->AddConst(scope + "/first_oov_id", Int64Tensor({}, {size}));
  const std::string oov_ids =
      graph_->Add("AddV2", scope + "/oov_ids", {buckets, first}, {{"T", kInt64}});
  const std::string zero = graph_->AddConst(scope + "/zero", Int64Tensor({}, {0}));
  const std::string is_oov = graph_->Add("Less", scope + "/is_oov", {ids, zero}, {{"T", kInt64}});
  return graph_->Add("Select", scope + "/all_ids", {is_oov, oov_ids, ids}, {{"T", kInt64}});
}

GraphColumns::Ids GraphColumns::Add(const std::string& scope, const HashBucketColumn& column) {
  const std::string text = IsInteger(column.field)
                               ? graph_->Add("AsString", scope + "/text",
                                             {inputs_.integers.at(column.field)}, {{"T", kInt64}})
                               : Field(column.field);
  const std::string buckets = graph_->Add("StringToHashBucketFast", scope + "/buckets", {text},
                                          {{"num_buckets", column.num_buckets}});
  return WithoutMissing(scope, buckets, IsMissing(column.field));
}

GraphColumns::Ids GraphColumns::Add(const std::string& scope, const IdentityColumn& column) {
  std::string ids = inputs_.integers.at(column.field);
  if (column.default_id >= 0) {
    const std::string zero = graph_->AddConst(scope + "/zero", Int64Tensor({}, {0}));
    const std::string end = graph_->AddConst(scope + "/end", Int64Tensor({}, {column.num_buckets}));
    const std::string is_id = graph_->Add(
        "LogicalAnd", scope + "/is_id",
        {graph_->Add("GreaterEqual", scope + "/is_not_below", {ids, zero}, {{"T", kInt64}}),
         graph_->Add("Less", scope + "/is_below_end", {ids, end}, {{"T", kInt64}})});
    ids = graph_->Add("Select", scope + "/known_ids",
                      {is_id, ids, FillLike(scope + "/default", ids, column.default_id)},
                      {{"T", kInt64}});
  }
  return WithoutMissing(scope, ids, IsMissing(column.field));
}

GraphColumns::Ids GraphColumns::Add(const std::string& scope, const BucketizedColumn& column) {
  const std::string numbers = NormalizedField(column.source, scope);
  const std::string buckets = graph_->Add("Bucketize", scope + "/buckets", {numbers},
                                          {{"T", kFloat}, {"boundaries", column.boundaries}});
  const std::int64_t num_values = DenseWidth(description_, *description_.FindColumn(column.source));
  const std::string ids = graph_->Add("Cast", scope + (num_values > 1 ? "/bucket_ids" : "/ids"),
                                      {buckets}, {{"SrcT", ValueType::kInt32}, {"DstT", kInt64}});
  if (num_values == 1) return {.node = ids, .may_be_invalid = false, .is_missing = ""};
  // Each number has buckets of its own.
  std::vector<std::int64_t> first_ids;
  for (std::int64_t i = 0; i < num_values; ++i) {
    first_ids.push_back(i * (static_cast<std::int64_t>(column.boundaries.size()) + 1));
  }
  const std::string first =
      graph_->AddConst(scope + "/first_ids", Int64Tensor({num_values}, std::move(first_ids)));
  return {.node = graph_->Add("AddV2", scope + "/ids", {ids, first}, {{"T", kInt64}}),
          .may_be_invalid = false,
          .is_missing = ""};
}

GraphColumns::Ids GraphColumns::Add(const std::string& scope, const WeightedColumn& column) {
  Ids ids = IdsOf(column.source);
  ids.weights = Field(column.weight_field);
  if (ids.is_list) return ids;
  ids.is_list = true;  // Of one.
  ids.node = AsMatrix(scope + "/ids", ids.node, kInt64);
  ids.weights = AsMatrix(scope + "/weights", ids.weights, kFloat);
  return ids;
}

// Dense inputs only, so every example gets a cross: also where a key is "" or outside its
// vocabulary, which is right, and where a column has no value at all, which is not.
GraphColumns::Ids GraphColumns::Add(const std::string& scope, const CrossedColumn& column) {
  for (const CrossKey& key : column.keys) {
    const bool is_list = key.is_column ? IdsOf(key.name).is_list : IsList(key.name);
    if (is_list) return CrossLists(scope, column);
  }
  std::vector<std::string> keys;
  std::vector<ValueType> types;
  std::string is_missing;
  for (const CrossKey& key : KeysAsHashed(description_, column)) {
    const std::string name = scope + "/keys/" + key.name;
    const bool is_integer = key.is_column || IsInteger(key.name);
    types.push_back(is_integer ? kInt64 : ValueType::kString);
    keys.push_back(
        AsMatrix(name, key.is_column ? IdsOf(key.name).node : RawValues(key.name), types.back()));
    const std::string key_is_missing = key.is_column ? IdsOf(key.name).is_missing : "";
    if (key_is_missing.empty()) continue;
    is_missing = is_missing.empty() ? key_is_missing
                                    : graph_->Add("LogicalOr", name + "/or_is_missing",
                                                  {is_missing, key_is_missing});
  }
  const std::string cross =
      graph_->Add("SparseCross", scope + "/SparseCross", keys, CrossAttributes(column, {}, types));
  constexpr int kValues = 1;  // Its outputs are indices, values, shape.
  const std::string ids = GraphBuilder::Output(cross, kValues);
  if (is_missing.empty()) return {.node = ids, .may_be_invalid = false, .is_missing = ""};
  return WithoutMissing(scope, ids, is_missing);
}

// All keys but single values of fields are sparse: what is missing takes no part in a cross.
GraphColumns::Ids GraphColumns::CrossLists(const std::string& scope, const CrossedColumn& column) {
  std::vector<std::string> indices;
  std::vector<std::string> values;
  std::vector<std::string> shapes;
  std::vector<std::string> dense;
  std::vector<ValueType> sparse_types;
  std::vector<ValueType> dense_types;
  for (const CrossKey& key : KeysAsHashed(description_, column)) {
    const std::string name = scope + "/keys/" + key.name;
    const bool is_list = key.is_column ? IdsOf(key.name).is_list : IsList(key.name);
    const ValueType type = key.is_column || IsInteger(key.name) ? kInt64 : ValueType::kString;
    if (!key.is_column && !is_list) {
      dense.push_back(AsMatrix(name, RawValues(key.name), type));
      dense_types.push_back(type);
      continue;
    }
    std::string matrix = key.is_column ? IdsOf(key.name).node : RawValues(key.name);
    std::string is_missing = key.is_column ? IdsOf(key.name).is_missing : IsMissing(key.name);
    if (!is_list) {
      matrix = AsMatrix(name + "/matrix", matrix, type);
      if (!is_missing.empty()) {
        is_missing = AsMatrix(name + "/missing_matrix", is_missing, ValueType::kBool);
      }
    }
    const std::string is_there =
        is_missing.empty()
            ? graph_->Add("Equal", name + "/is_there", {matrix, matrix}, {{"T", type}})
            : graph_->Add("LogicalNot", name + "/is_there", {is_missing});
    indices.push_back(
        graph_->Add("Where", name + "/indices", {is_there}, {{"T", ValueType::kBool}}));
    values.push_back(graph_->Add("GatherNd", name + "/values", {matrix, indices.back()},
                                 {{"Tparams", type}, {"Tindices", kInt64}}));
    shapes.push_back(
        graph_->Add("Shape", name + "/shape", {matrix}, {{"T", type}, {"out_type", kInt64}}));
    sparse_types.push_back(type);
  }
  std::vector<std::string> inputs = indices;
  for (const auto* const more : {&values, &shapes, &dense}) {
    inputs.insert(inputs.end(), more->begin(), more->end());
  }
  const std::string cross = graph_->Add("SparseCross", scope + "/SparseCross", inputs,
                                        CrossAttributes(column, sparse_types, dense_types));
  const std::string none = graph_->AddConst(scope + "/none", Int64Tensor({}, {-1}));
  return {.node = graph_->Add(
              "SparseToDense", scope + "/ids",
              {cross, GraphBuilder::Output(cross, 2), GraphBuilder::Output(cross, 1), none},
              {{"T", kInt64}, {"Tindices", kInt64}}),
          .may_be_invalid = true,
          .is_missing = "",
          .is_list = true};
}

}  // namespace dime::models::internal
