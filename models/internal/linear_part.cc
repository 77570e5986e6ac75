#include "models/internal/linear_part.h"

#include <algorithm>
#include <set>
#include <string>

#include "models/internal/feature_columns.h"
#include "ops/sparse.h"

namespace dime::models::internal {

LinearPart::LinearPart(const ModelDescription& description, const Schema& schema,
                       std::int64_t num_logits, Variables* variables)
    : num_logits_(static_cast<std::size_t>(num_logits)) {
  const NamedOptimizer optimizer = LinearOptimizer(description.estimator);
  const std::vector<std::string>& columns = description.estimator.linear_columns;
  for (const std::string& name : std::set<std::string>(columns.begin(), columns.end())) {
    const std::string variable = "linear/linear_model/" + name + "/weights";
    if (IsCategorical(*description.FindColumn(name))) {
      const int use = variables->AddRows(variable, schema, schema.FindIds(name), num_logits,
                                         /*initializer=*/{}, optimizer);
      uses_.push_back(static_cast<std::size_t>(use));
    } else {
      const auto floats = static_cast<std::size_t>(schema.FindFloats(name));
      const int table =
          variables->AddDense(variable, {schema.float_columns[floats].dim, num_logits},
                              /*initializer=*/{}, optimizer);
      numerics_.push_back({floats, static_cast<std::size_t>(table)});
    }
  }
  bias_table_ = static_cast<std::size_t>(variables->AddDense(
      "linear/linear_model/bias_weights", {num_logits}, /*initializer=*/{}, optimizer));
}

void LinearPart::Forward(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
                         RowRange range, std::span<float> logits) const {
  std::ranges::fill(logits, 0.0f);
  for (const std::size_t u : uses_) {
    const ops::LookupUse& use = lookups.uses[u];
    ops::AddLinearTerms(use, range, rows.tables[static_cast<std::size_t>(use.table)], num_logits_,
                        logits);
  }
  for (const Numeric& numeric : numerics_) {
    const FloatColumn& column = batch.floats[numeric.floats];
    const std::span numbers = std::span(column.values)
                                  .subspan(static_cast<std::size_t>(range.first * column.dim),
                                           static_cast<std::size_t>(range.count * column.dim));
    ops::AddProducts(numbers, rows.tables[numeric.table], num_logits_, logits);
  }
  const std::span<const float> bias = rows.tables[bias_table_];
  for (std::size_t i = 0; i < logits.size(); i += num_logits_) {
    for (std::size_t k = 0; k < num_logits_; ++k) logits[i + k] += bias[k];
  }
}

void LinearPart::AddGradients(std::size_t part, const Batch& batch, const ops::Lookups& lookups,
                              std::span<const float> logit_gradients,
                              ops::Gradients* gradients) const {
  if (part == uses_.size()) return SetDenseGradients(batch, logit_gradients, gradients);
  const ops::LookupUse& use = lookups.uses[uses_[part]];
  ops::AddLinearGradient(use, logit_gradients, num_logits_,
                         gradients->tables[static_cast<std::size_t>(use.table)]);
}

void LinearPart::SetDenseGradients(const Batch& batch, std::span<const float> logit_gradients,
                                   ops::Gradients* gradients) const {
  for (const Numeric& numeric : numerics_) {
    std::vector<float>& gradient = gradients->tables[numeric.table];
    std::ranges::fill(gradient, 0.0f);
    ops::AddOuterProducts(batch.floats[numeric.floats].values, logit_gradients, num_logits_,
                          gradient);
  }
  std::vector<float>& bias = gradients->tables[bias_table_];
  std::ranges::fill(bias, 0.0f);
  for (std::size_t i = 0; i < logit_gradients.size(); i += num_logits_) {
    for (std::size_t k = 0; k < num_logits_; ++k) bias[k] += logit_gradients[i + k];
  }
}

}  // namespace dime::models::internal
