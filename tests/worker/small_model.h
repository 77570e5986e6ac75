// tests/worker/small_model.h - a description with one column of each sort, for tests that need some
// model.
#pragma once

#include "models/description.h"

namespace dime::testing {

// Records of color, size, label: "red,1.5,yes".
inline models::ModelDescription SmallDescription() {
  using models::FieldType;
  models::ModelDescription description;
  description.name = "small";
  description.input.fields = {{.name = "color", .type = FieldType::kString, .default_value = ""},
                              {.name = "size", .type = FieldType::kFloat, .default_value = "0"},
                              {.name = "label", .type = FieldType::kString, .default_value = ""}};
  description.label = {.field = "label", .vocabulary = {"no", "yes"}};
  description.columns = {
      {.name = "color", .kind = models::HashBucketColumn{.field = "color", .num_buckets = 1000}},
      {.name = "size", .kind = models::NumericColumn{.field = "size"}},
      {.name = "color_embedding",
       .kind =
           models::EmbeddingColumn{.source = "color", .dim = 4, .combiner = ops::Combiner::kMean}}};
  description.estimator.linear_columns = {"color"};
  description.estimator.dnn_columns = {"size", "color_embedding"};
  description.estimator.hidden_units = {4};
  description.estimator.linear_optimizer.kind = ops::OptimizerKind::kFtrl;
  description.estimator.dnn_optimizer.kind = ops::OptimizerKind::kAdagrad;
  return description;
}

}  // namespace dime::testing
