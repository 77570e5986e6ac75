// models/internal/linear_part.h - the wide part: a weight for each id of each linear column, and a
// bias.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "models/description.h"
#include "models/internal/variables.h"
#include "models/record_encoder.h"
#include "ops/table.h"

namespace dime::models::internal {

class LinearPart {
 public:
  // Adds the columns' weights, in the order of their names, and the bias to `variables`.
  LinearPart(const Estimator& estimator, const Schema& schema, Variables* variables);

  // logits[e] = the sum of example e's weights, and the bias.
  void Forward(const ops::Lookups& lookups, const ops::Rows& rows, std::span<float> logits) const;

  // Adds to the weights' gradients, and sets the bias's.
  void AddGradients(const ops::Lookups& lookups, std::span<const float> logit_gradients,
                    ops::Gradients* gradients) const;

 private:
  std::vector<std::size_t> uses_;  // Of Lookups::uses, one a column.
  std::size_t bias_table_ = 0;
};

}  // namespace dime::models::internal
