// tests/worker/small_census.h - the census model made small: each kind of column, little of each.
#pragma once

#include <string>

#include "models/description.h"
#include "runtime/base/check.h"

namespace dime::testing {

inline constexpr char kSmallCensusYaml[] = R"(
input:
  separator: ","
  header_lines: 0
  trim_blanks: false
  fields:
    - {name: age, type: integer, default: 0}
    - {name: workclass, type: string, default: ""}
    - {name: fnlwgt, type: integer, default: 0}
    - {name: education, type: string, default: ""}
    - {name: education_num, type: integer, default: 0}
    - {name: marital_status, type: string, default: ""}
    - {name: occupation, type: string, default: ""}
    - {name: relationship, type: string, default: ""}
    - {name: race, type: string, default: ""}
    - {name: gender, type: string, default: ""}
    - {name: capital_gain, type: integer, default: 0}
    - {name: capital_loss, type: integer, default: 0}
    - {name: hours_per_week, type: integer, default: 0}
    - {name: native_country, type: string, default: ""}
    - {name: income_bracket, type: string, default: ""}
label:
  field: income_bracket
  vocabulary: [" <=50K", " >50K"]
columns:
  age: {kind: numeric}
  education_num: {kind: numeric}
  gender: {kind: vocabulary_list, vocabulary: [" Female", " Male"]}
  race: {kind: vocabulary_list, vocabulary: [" Black", " Other", " White"]}
  marital_status:
    kind: vocabulary_list
    vocabulary: [" Married-civ-spouse", " Divorced", " Never-married", " Widowed"]
  occupation: {kind: hash_bucket, buckets: 10}
  age_bucketized: {kind: bucketized, source: age, boundaries: [25, 40, 60]}
  age_bucketized_X_occupation_X_race:
    kind: crossed
    keys: [{column: age_bucketized}, {column: race}, occupation]
    buckets: 1000
  gender_indicator: {kind: indicator, source: gender}
  marital_status_indicator: {kind: indicator, source: marital_status}
  occupation_embedding: {kind: embedding, source: occupation, dimension: 4, combiner: mean}
estimator:
  kind: DNNLinearCombinedClassifier
  linear_columns: [age_bucketized_X_occupation_X_race, gender, occupation, marital_status]
  dnn_columns: [gender_indicator, marital_status_indicator, occupation_embedding, age, education_num]
  hidden_units: [8, 4]
  loss_reduction: mean
  dnn_optimizer: {kind: adagrad, learning_rate: 0.05}
  linear_optimizer: {kind: ftrl, learning_rate: 0.2}
training:
  train_steps: 100
  train_batch_size: 40
  eval_batch_size: 40
  eval_steps: 100
  export_name: census
  eval_name: census-eval
variants:
  small: {}
)";

inline models::ModelDescription SmallCensus() {
  auto description = models::ParseDescription(kSmallCensusYaml, "small_census.yaml", "");
  DIME_CHECK(description.ok());
  return *std::move(description);
}

}  // namespace dime::testing
