#include "models/export/graph_columns.h"

#include <fmt/format.h>

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

}  // namespace

std::string GraphColumns::AsMatrix(const std::string& name, const std::string& vector,
                                   ValueType type) {
  const std::string axis = graph_->AddConst(name + "/axis", Int32Tensor({}, {1}));
  return graph_->Add("ExpandDims", name, {vector, axis}, {{"T", type}});
}

std::string GraphColumns::Numbers(const NumericColumn& column) {
  std::string& node = numbers_[column.field];
  if (node.empty()) {
    node = AsMatrix("numbers/" + column.field, Field(column.field), ValueType::kFloat);
  }
  return node;
}

std::string GraphColumns::OneHot(const std::string& column, const std::string& scope) {
  const std::int64_t depth = NumIds(*description_.FindColumn(column));
  return graph_->Add(
      "OneHot", scope + "/one_hot",
      {IdsOf(column).node, graph_->AddConst(scope + "/depth", Int32Tensor({}, {depth})),
       graph_->AddConst(scope + "/on", FloatTensor({}, {1})),
       graph_->AddConst(scope + "/off", FloatTensor({}, {0}))},
      {{"T", ValueType::kFloat}});
}

std::string GraphColumns::Rows(const std::string& column, const std::string& table,
                               const std::string& scope) {
  const Ids& ids = IdsOf(column);
  const std::string axis = graph_->AddConst(scope + "/axis", Int32Tensor({}, {0}));
  const auto gather = [&](const std::string& indices) {
    return graph_->Add("GatherV2", scope + "/rows", {table, indices, axis},
                       {{"Tparams", ValueType::kFloat},
                        {"Tindices", ValueType::kInt64},
                        {"Taxis", ValueType::kInt32}});
  };
  if (!ids.may_be_invalid) return gather(ids.node);

  // Row 0 instead of the row that is not there, times zero.
  const std::string zero = graph_->AddConst(scope + "/zero", Int64Tensor({}, {0}));
  const std::string rows = gather(
      graph_->Add("Maximum", scope + "/some_id", {ids.node, zero}, {{"T", ValueType::kInt64}}));
  const std::string is_valid = graph_->Add("GreaterEqual", scope + "/is_valid", {ids.node, zero},
                                           {{"T", ValueType::kInt64}});
  const std::string factor = graph_->Add("Cast", scope + "/factor", {is_valid},
                                         {{"SrcT", ValueType::kBool}, {"DstT", ValueType::kFloat}});
  return graph_->Add("Mul", scope + "/valid_rows",
                     {rows, AsMatrix(scope + "/factors", factor, ValueType::kFloat)},
                     {{"T", ValueType::kFloat}});
}

const GraphColumns::Ids& GraphColumns::IdsOf(const std::string& column) {
  const auto known = ids_.find(column);
  if (known != ids_.end()) return known->second;
  Ids ids = std::visit([&](const auto& kind) { return Add("columns/" + column, kind); },
                       description_.FindColumn(column)->kind);
  return ids_.emplace(column, std::move(ids)).first->second;
}

const std::string& GraphColumns::IsMissing(const std::string& field) {
  std::string& node = is_missing_[field];
  if (node.empty()) {
    const std::string scope = "missing/" + field;
    const std::string empty = graph_->AddConst(scope + "/empty", StringTensor({}, {""}));
    node = graph_->Add("Equal", scope, {Field(field), empty}, {{"T", ValueType::kString}});
  }
  return node;
}

GraphColumns::Ids GraphColumns::WithoutMissing(const std::string& scope, const std::string& ids,
                                               const std::string& is_missing) {
  const std::string zeros =
      graph_->Add("ZerosLike", scope + "/zeros", {ids}, {{"T", ValueType::kInt64}});
  const std::string one = graph_->AddConst(scope + "/one", Int64Tensor({}, {1}));
  const std::string none =
      graph_->Add("Sub", scope + "/none", {zeros, one}, {{"T", ValueType::kInt64}});
  return {.node = graph_->Add("Select", scope + "/ids", {is_missing, none, ids},
                              {{"T", ValueType::kInt64}}),
          .may_be_invalid = true,
          .is_missing = is_missing};
}

template <typename DenseColumn>
GraphColumns::Ids GraphColumns::Add(const std::string& /*scope*/, const DenseColumn& /*column*/) {
  DIME_CHECK(false);
}

GraphColumns::Ids GraphColumns::Add(const std::string& scope, const VocabularyListColumn& column) {
  std::vector<std::string> keys;
  for (const std::string& entry : column.vocabulary) keys.emplace_back(Trimmed(entry));
  std::vector<std::int64_t> positions(keys.size());
  std::iota(positions.begin(), positions.end(), 0);
  const auto size = static_cast<std::int64_t>(keys.size());

  const std::string table = graph_->Add("HashTableV2", scope + "/table", {},
                                        {{"key_dtype", ValueType::kString},
                                         {"value_dtype", ValueType::kInt64},
                                         {"shared_name", TableName(keys)}});
  initializers_.push_back(
      graph_->Add("InitializeTableV2", scope + "/table_init",
                  {table, graph_->AddConst(scope + "/keys", StringTensor({size}, std::move(keys))),
                   graph_->AddConst(scope + "/values", Int64Tensor({size}, std::move(positions)))},
                  {{"Tkey", ValueType::kString}, {"Tval", ValueType::kInt64}}));
  const std::string text = graph_->Add("StringStrip", scope + "/text", {Field(column.field)});
  const std::string none = graph_->AddConst(scope + "/none", Int64Tensor({}, {-1}));
  return {.node = graph_->Add("LookupTableFindV2", scope + "/ids", {table, text, none},
                              {{"Tin", ValueType::kString}, {"Tout", ValueType::kInt64}}),
          .may_be_invalid = true,
          .is_missing = IsMissing(column.field)};
}

GraphColumns::Ids GraphColumns::Add(const std::string& scope, const HashBucketColumn& column) {
  const std::string buckets =
      graph_->Add("StringToHashBucketFast", scope + "/buckets", {Field(column.field)},
                  {{"num_buckets", column.num_buckets}});
  return WithoutMissing(scope, buckets, IsMissing(column.field));
}

GraphColumns::Ids GraphColumns::Add(const std::string& scope, const BucketizedColumn& column) {
  const auto& source = std::get<NumericColumn>(description_.FindColumn(column.source)->kind);
  const std::string buckets =
      graph_->Add("Bucketize", scope + "/buckets", {Field(source.field)},
                  {{"T", ValueType::kFloat}, {"boundaries", column.boundaries}});
  return {.node = graph_->Add("Cast", scope + "/ids", {buckets},
                              {{"SrcT", ValueType::kInt32}, {"DstT", ValueType::kInt64}}),
          .may_be_invalid = false,
          .is_missing = ""};
}

// Dense inputs only, so every example gets a cross: also where a key is "" or outside its
// vocabulary, which is right, and where a column has no value at all, which is not.
GraphColumns::Ids GraphColumns::Add(const std::string& scope, const CrossedColumn& column) {
  std::vector<std::string> keys;
  std::vector<ValueType> types;
  std::string is_missing;
  for (const CrossKey& key : KeysAsHashed(column)) {
    const std::string name = scope + "/keys/" + key.name;
    types.push_back(key.is_column ? ValueType::kInt64 : ValueType::kString);
    keys.push_back(
        AsMatrix(name, key.is_column ? IdsOf(key.name).node : Field(key.name), types.back()));
    const std::string key_is_missing = key.is_column ? IdsOf(key.name).is_missing : "";
    if (key_is_missing.empty()) continue;
    is_missing = is_missing.empty() ? key_is_missing
                                    : graph_->Add("LogicalOr", name + "/or_is_missing",
                                                  {is_missing, key_is_missing});
  }
  std::int64_t hash_key = 0;
  std::memcpy(&hash_key, &column.hash_key, sizeof(hash_key));
  const std::string cross = graph_->Add("SparseCross", scope + "/SparseCross", keys,
                                        {{"N", std::int64_t{0}},
                                         {"hashed_output", true},
                                         {"num_buckets", column.num_buckets},
                                         {"hash_key", hash_key},
                                         {"sparse_types", std::vector<ValueType>{}},
                                         {"dense_types", types},
                                         {"out_type", ValueType::kInt64},
                                         {"internal_type", ValueType::kInt64}});
  constexpr int kValues = 1;  // Its outputs are indices, values, shape.
  const std::string ids = GraphBuilder::Output(cross, kValues);
  if (is_missing.empty()) return {.node = ids, .may_be_invalid = false, .is_missing = ""};
  return WithoutMissing(scope, ids, is_missing);
}

}  // namespace dime::models::internal
