#include "models/internal/input_layer.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <variant>

namespace dime::models::internal {
namespace {

void CopyColumns(const std::vector<float>& values, ops::MatrixView out) {
  const float* from = values.data();
  for (std::int64_t e = 0; e < out.rows; ++e, from += out.cols) {
    std::copy_n(from, out.cols, out.data + e * out.stride);
  }
}

}  // namespace

InputLayer::InputLayer(const ModelDescription& description, const Schema& schema,
                       Variables* variables) {
  const std::vector<std::string>& columns = description.estimator.dnn_columns;
  for (const std::string& name : std::set<std::string>(columns.begin(), columns.end())) {
    const auto& kind = description.FindColumn(name)->kind;
    if (const auto* const embedding = std::get_if<EmbeddingColumn>(&kind)) {
      AddEmbedding(name, *embedding, description, schema, variables);
    } else if (const auto* const indicator = std::get_if<IndicatorColumn>(&kind)) {
      const auto ids = static_cast<std::size_t>(schema.FindIds(indicator->source));
      indicators_.push_back({ids, Extend(schema.id_columns[ids].num_ids)});
    } else {
      const auto floats = static_cast<std::size_t>(schema.FindFloats(name));
      numerics_.push_back({floats, Extend(schema.float_columns[floats].dim)});
    }
  }
}

ColumnRange InputLayer::Extend(std::int64_t count) {
  const ColumnRange range = {width_, count};
  width_ += count;
  return range;
}

void InputLayer::AddEmbedding(const std::string& name, const EmbeddingColumn& column,
                              const ModelDescription& description, const Schema& schema,
                              Variables* variables) {
  const std::string& scope = column.collection.empty() ? name : column.collection;
  const int use = variables->AddRows(
      "dnn/input_from_feature_columns/input_layer/" + scope + "/embedding_weights", schema,
      schema.FindIds(column.source), column.dim,
      {ops::InitializerKind::kTruncatedNormal, 1.0f / std::sqrt(static_cast<float>(column.dim))},
      DnnOptimizer(description.estimator));
  const ColumnRange range = Extend(column.dim);
  embeddings_.push_back({static_cast<std::size_t>(use), column.combiner, range});
  if (!embedded_.empty() && embedded_.back().first + embedded_.back().count == range.first) {
    embedded_.back().count += range.count;
  } else {
    embedded_.push_back(range);
  }
}

void InputLayer::Fill(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
                      ops::MatrixView input) const {
  for (const Numeric& numeric : numerics_) {
    CopyColumns(batch.floats[numeric.floats].values, ColumnsOf(input, numeric.to));
  }
  for (const Indicator& indicator : indicators_) {
    const IdColumn& column = batch.ids[indicator.ids];
    ops::CountIds(column.ids, column.offsets, column.weights, ColumnsOf(input, indicator.to));
  }
  for (const Embedding& embedding : embeddings_) {
    const ops::LookupUse& use = lookups.uses[embedding.use];
    ops::CombineRows(use, rows.tables[static_cast<std::size_t>(use.table)], embedding.combiner,
                     ColumnsOf(input, embedding.to));
  }
}

void InputLayer::AddGradients(const ops::Lookups& lookups, ops::MatrixView input_gradient,
                              ops::Gradients* gradients) const {
  for (const Embedding& embedding : embeddings_) {
    const ops::LookupUse& use = lookups.uses[embedding.use];
    ops::AddCombinedGradient(use, ColumnsOf(input_gradient, embedding.to), embedding.combiner,
                             gradients->tables[static_cast<std::size_t>(use.table)]);
  }
}

}  // namespace dime::models::internal
