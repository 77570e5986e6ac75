// models/internal/input_layer.h - how dense columns become the network's input matrix, and how its
// gradient comes back to the embeddings.
//
// The columns stand side by side in the order of their names, as TensorFlow's input_layer has them.
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
  // The input's columns that embeddings fill: those whose gradient is needed.
  [[nodiscard]] std::span<const ColumnRange> embedded() const { return embedded_; }

  // input: [num_examples, width()].
  void Fill(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
            ops::MatrixView input) const;

  // Adds to the embeddings' rows what embedded() columns of `input_gradient` say.
  void AddGradients(const ops::Lookups& lookups, ops::MatrixView input_gradient,
                    ops::Gradients* gradients) const;

 private:
  struct Numeric {
    std::size_t floats;  // Of Batch::floats.
    ColumnRange to;      // The input's columns.
  };
  struct Indicator {
    std::size_t ids;  // Of Batch::ids.
    ColumnRange to;
  };
  struct Embedding {
    std::size_t use;  // Of Lookups::uses.
    ops::Combiner combiner;
    ColumnRange to;
  };

  // Takes the next `count` columns of the input.
  ColumnRange Extend(std::int64_t count);
  void AddEmbedding(const std::string& name, const EmbeddingColumn& column,
                    const ModelDescription& description, const Schema& schema,
                    Variables* variables);

  std::int64_t width_ = 0;
  std::vector<Numeric> numerics_;
  std::vector<Indicator> indicators_;
  std::vector<Embedding> embeddings_;
  std::vector<ColumnRange> embedded_;
};

}  // namespace dime::models::internal
