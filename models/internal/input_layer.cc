#include "models/internal/input_layer.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <variant>

namespace dime::models::internal {
namespace {

// Rows of `values`, which has out.cols columns, from row `first` on.
void CopyColumns(const std::vector<float>& values, std::int64_t first, ops::MatrixView out) {
  const float* from = values.data() + first * out.cols;
  for (std::int64_t e = 0; e < out.rows; ++e, from += out.cols) {
    std::copy_n(from, out.cols, out.data + e * out.stride);
  }
}

// Appends, or makes the last range longer.
void Append(ColumnRange range, std::vector<ColumnRange>* ranges) {
  if (!ranges->empty() && ranges->back().first + ranges->back().count == range.first) {
    ranges->back().count += range.count;
  } else {
    ranges->push_back(range);
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
      indicators_.push_back({ids, width_});
      width_ += schema.id_columns[ids].num_ids;
    } else {
      const auto floats = static_cast<std::size_t>(schema.FindFloats(name));
      numerics_.push_back({floats, ExtendDense(schema.float_columns[floats].dim)});
    }
  }
}

ColumnRange InputLayer::ExtendDense(std::int64_t count) {
  Append({width_, count}, &dense_);
  width_ += count;
  const ColumnRange range = {dense_width_, count};
  dense_width_ += count;
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
  const ColumnRange range = ExtendDense(column.dim);
  embeddings_.push_back({static_cast<std::size_t>(use), column.combiner, range});
  Append(range, &embedded_);
}

void InputLayer::FillDense(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
                           RowRange range, ops::MatrixView dense) const {
  for (const Numeric& numeric : numerics_) {
    CopyColumns(batch.floats[numeric.floats].values, range.first, ColumnsOf(dense, numeric.to));
  }
  for (const Embedding& embedding : embeddings_) {
    const ops::LookupUse& use = lookups.uses[embedding.use];
    ops::CombineRows(use, range, rows.tables[static_cast<std::size_t>(use.table)],
                     embedding.combiner, ColumnsOf(dense, embedding.to));
  }
}

void InputLayer::FillSparse(const Batch& batch, RowRange range, SparseMatrix* sparse) const {
  sparse->offsets.assign(1, 0);
  sparse->columns.clear();
  sparse->values.clear();
  const bool weighted = std::ranges::any_of(indicators_, [&](const Indicator& indicator) {
    return !batch.ids[indicator.ids].weights.empty();
  });
  for (std::int64_t e = range.first; e < range.first + range.count; ++e) {
    for (const Indicator& indicator : indicators_) {
      const IdColumn& column = batch.ids[indicator.ids];
      const auto example = static_cast<std::size_t>(e);
      const bool one_each = column.offsets.empty();
      const auto first = one_each ? example : static_cast<std::size_t>(column.offsets[example]);
      const auto end =
          one_each ? example + 1 : static_cast<std::size_t>(column.offsets[example + 1]);
      for (std::size_t i = first; i < end; ++i) {
        if (column.ids[i] < 0) continue;
        sparse->columns.push_back(static_cast<std::int32_t>(indicator.first_input + column.ids[i]));
        if (weighted) sparse->values.push_back(column.weights.empty() ? 1.0f : column.weights[i]);
      }
    }
    sparse->offsets.push_back(static_cast<std::int32_t>(sparse->columns.size()));
  }
}

void InputLayer::AddGradients(const ops::Lookups& lookups, ops::MatrixView dense_gradient,
                              ops::Gradients* gradients) const {
  for (const Embedding& embedding : embeddings_) {
    const ops::LookupUse& use = lookups.uses[embedding.use];
    ops::AddCombinedGradient(use, ColumnsOf(dense_gradient, embedding.to), embedding.combiner,
                             gradients->tables[static_cast<std::size_t>(use.table)]);
  }
}

}  // namespace dime::models::internal
