// models/internal/linear_part.h - the wide part: weights for each id of each categorical column and
// for each number of each numeric one, and a bias.
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
#include "ops/table.h"

namespace dime::models::internal {

class LinearPart {
 public:
  // Adds the columns' weights, in the order of their names, and the bias to `variables`; each has
  // `num_logits` weights.
  LinearPart(const ModelDescription& description, const Schema& schema, std::int64_t num_logits,
             Variables* variables);

  // logits ([range.count, num_logits]) = the sums of the weights of each example of `range`, and
  // the bias.
  void Forward(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
               RowRange range, std::span<float> logits) const;

  // The gradients come in parts, which touch different tables: several threads may each take some.
  // Adds to the ids' gradients, and sets the other ones.
  [[nodiscard]] std::size_t num_gradient_parts() const { return uses_.size() + 1; }
  void AddGradients(std::size_t part, const Batch& batch, const ops::Lookups& lookups,
                    std::span<const float> logit_gradients, ops::Gradients* gradients) const;

 private:
  struct Numeric {
    std::size_t floats;  // Of Batch::floats.
    std::size_t table;   // [numbers of the column, num_logits]
  };

  void SetDenseGradients(const Batch& batch, std::span<const float> logit_gradients,
                         ops::Gradients* gradients) const;

  std::size_t num_logits_;
  std::vector<std::size_t> uses_;  // Of Lookups::uses, one a categorical column.
  std::vector<Numeric> numerics_;
  std::size_t bias_table_ = 0;
};

}  // namespace dime::models::internal
