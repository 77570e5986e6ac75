#include "models/internal/linear_part.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <string>

#include "ops/sparse.h"

namespace dime::models::internal {

LinearPart::LinearPart(const Estimator& estimator, const Schema& schema, Variables* variables) {
  const std::vector<std::string>& columns = estimator.linear_columns;
  for (const std::string& name : std::set<std::string>(columns.begin(), columns.end())) {
    const int use =
        variables->AddRows("linear/linear_model/" + name + "/weights", schema, schema.FindIds(name),
                           /*dim=*/1, /*initializer=*/{}, LinearOptimizer(estimator));
    uses_.push_back(static_cast<std::size_t>(use));
  }
  bias_table_ = static_cast<std::size_t>(variables->AddDense(
      "linear/linear_model/bias_weights", {1}, /*initializer=*/{}, LinearOptimizer(estimator)));
}

void LinearPart::Forward(const ops::Lookups& lookups, const ops::Rows& rows,
                         std::span<float> logits) const {
  std::fill(logits.begin(), logits.end(), 0.0f);
  for (const std::size_t u : uses_) {
    const ops::LookupUse& use = lookups.uses[u];
    ops::AddLinearTerms(use, rows.tables[static_cast<std::size_t>(use.table)], logits);
  }
  const float bias = rows.tables[bias_table_][0];
  for (float& logit : logits) logit += bias;
}

void LinearPart::AddGradients(const ops::Lookups& lookups, std::span<const float> logit_gradients,
                              ops::Gradients* gradients) const {
  for (const std::size_t u : uses_) {
    const ops::LookupUse& use = lookups.uses[u];
    ops::AddLinearGradient(use, logit_gradients,
                           gradients->tables[static_cast<std::size_t>(use.table)]);
  }
  gradients->tables[bias_table_][0] =
      std::accumulate(logit_gradients.begin(), logit_gradients.end(), 0.0f);
}

}  // namespace dime::models::internal
