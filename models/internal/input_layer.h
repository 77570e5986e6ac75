// models/internal/input_layer.h - how dense columns become the network's input, and how its
// gradient comes back to the embeddings.
//
// The columns stand side by side in the order of their names, as TensorFlow's input_layer has them:
// so the rows of the first kernel lie. Numbers and embeddings make up a dense matrix, without gaps
// between them; indicators, which are nearly all zeros, a sparse one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "models/batch.h"
#include "models/description.h"
#include "models/internal/matrix.h"
#include "models/internal/variables.h"
#include "models/record_encoder.h"
#include "ops/dense.h"
#include "ops/sparse.h"
#include "ops/table.h"

namespace dime::models::internal {

class InputLayer {
 public:
  // Adds the embeddings to `variables`.
  InputLayer(const ModelDescription& description, const Schema& schema, Variables* variables);

  [[nodiscard]] std::int64_t width() const { return width_; }
  [[nodiscard]] std::int64_t dense_width() const { return dense_width_; }
  // Which of the input's columns make up the dense matrix, in order.
  [[nodiscard]] std::span<const ColumnRange> dense() const { return dense_; }
  // Columns of the dense matrix that embeddings fill: those whose gradient is needed.
  [[nodiscard]] std::span<const ColumnRange> embedded() const { return embedded_; }

  // The input of the examples of `range`. dense: [range.count, dense_width()]; sparse: columns of
  // the input.
  void FillDense(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
                 RowRange range, ops::MatrixView dense) const;
  void FillSparse(const Batch& batch, RowRange range, SparseMatrix* sparse) const;

  // Adds to the embeddings' rows what the embedded() columns of `dense_gradient` say. It has a row
  // for each example of the batch.
  void AddGradients(const ops::Lookups& lookups, ops::MatrixView dense_gradient,
                    ops::Gradients* gradients) const;

 private:
  struct Numeric {
    std::size_t floats;  // Of Batch::floats.
    ColumnRange to;      // Columns of the dense matrix.
  };
  struct Indicator {
    std::size_t ids;           // Of Batch::ids.
    std::int64_t first_input;  // The input's column of id 0.
  };
  struct Embedding {
    std::size_t use;  // Of Lookups::uses.
    ops::Combiner combiner;
    ColumnRange to;
  };

  // Takes the next `count` columns of the input, and gives them to the dense matrix. Returns the
  // columns of the latter.
  ColumnRange ExtendDense(std::int64_t count);
  void AddEmbedding(const std::string& name, const EmbeddingColumn& column,
                    const ModelDescription& description, const Schema& schema,
                    Variables* variables);

  std::int64_t width_ = 0;
  std::int64_t dense_width_ = 0;
  std::vector<ColumnRange> dense_;
  std::vector<Numeric> numerics_;
  std::vector<Indicator> indicators_;
  std::vector<Embedding> embeddings_;
  std::vector<ColumnRange> embedded_;
};

}  // namespace dime::models::internal
