#include "models/model.h"

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/support/status_matchers.h"

namespace dime::models {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr char kDescription[] = R"(
input:
  fields:
    - {name: height, type: float, default: 0}
    - {name: weight, type: float, default: 0}
    - {name: color, type: string, default: ""}
    - {name: town, type: string, default: ""}
    - {name: shape, type: string, default: ""}
    - {name: bought, type: string, default: ""}
label: {field: bought, vocabulary: ["no", "yes"]}
columns:
  height: {kind: numeric}
  weight: {kind: numeric}
  color: {kind: vocabulary_list, vocabulary: [red, green, blue]}
  town: {kind: hash_bucket, buckets: 17}
  shape: {kind: hash_bucket, buckets: 5}
  color_indicator: {kind: indicator, source: color}
  town_embedding: {kind: embedding, source: town, dimension: 3, combiner: mean}
  shape_embedding: {kind: embedding, source: shape, dimension: 2, combiner: sqrtn}
estimator:
  kind: DNNLinearCombinedClassifier
  linear_columns: [town, color, shape]
  dnn_columns: [weight, height, color_indicator, town_embedding, shape_embedding]
  hidden_units: [7, 4]
  loss_reduction: REDUCTION
  dnn_optimizer: {kind: adagrad, learning_rate: 0.05}
  linear_optimizer: {kind: ftrl, learning_rate: 0.2}
)";

ModelDescription Describe(const std::string& reduction) {
  std::string yaml = kDescription;
  yaml.replace(yaml.find("REDUCTION"), 9, reduction);
  auto description = ParseDescription(yaml, "test.yaml", "");
  EXPECT_OK(description);
  return *std::move(description);
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  float Uniform() { return std::uniform_real_distribution<float>(-1, 1)(engine_); }
  std::int64_t Below(std::int64_t bound) {
    return std::uniform_int_distribution<std::int64_t>(0, bound - 1)(engine_);
  }

 private:
  std::mt19937 engine_;
};

// Examples with 0 to 3 ids in each id column when `many_ids`, else exactly one; some ids are
// missing (-1).
Batch RandomBatch(const Model& model, std::int64_t num_examples, bool many_ids, Random random) {
  Batch batch = model.encoder().NewBatch();
  batch.num_examples = num_examples;
  for (std::size_t c = 0; c < batch.ids.size(); ++c) {
    if (many_ids) batch.ids[c].offsets.push_back(0);
    for (std::int64_t e = 0; e < num_examples; ++e) {
      const std::int64_t count = many_ids ? random.Below(4) : 1;
      for (std::int64_t i = 0; i < count; ++i) {
        batch.ids[c].ids.push_back(
            random.Below(model.encoder().schema().id_columns[c].num_ids + 1) - 1);
      }
      if (many_ids)
        batch.ids[c].offsets.push_back(static_cast<std::int32_t>(batch.ids[c].ids.size()));
    }
  }
  for (FloatColumn& column : batch.floats) {
    column.values.clear();
    for (std::int64_t i = 0; i < num_examples * column.dim; ++i)
      column.values.push_back(random.Uniform());
  }
  batch.labels.clear();
  for (std::int64_t e = 0; e < num_examples; ++e)
    batch.labels.push_back(static_cast<float>(random.Below(2)));
  return batch;
}

// All rows of all tables.
using Weights = std::vector<std::vector<float>>;

Weights RandomWeights(const Model& model, Random random) {
  Weights weights;
  for (const ops::TableSpec& table : model.tables()) {
    auto& values = weights.emplace_back(static_cast<std::size_t>(table.num_rows * table.dim));
    for (float& value : values) value = 0.7f * random.Uniform();
  }
  return weights;
}

// The rows that were asked for; `gathered` keeps those of sparse tables.
ops::Rows LookUp(const Model& model, const Weights& weights, const ops::Lookups& lookups,
                 Weights* gathered) {
  ops::Rows rows;
  gathered->resize(weights.size());
  for (std::size_t t = 0; t < weights.size(); ++t) {
    if (model.tables()[t].dense) {
      rows.tables.emplace_back(weights[t]);
      continue;
    }
    const std::int64_t dim = model.tables()[t].dim;
    for (const std::int64_t id : lookups.tables[t].ids) {
      (*gathered)[t].insert((*gathered)[t].end(), weights[t].begin() + id * dim,
                            weights[t].begin() + (id + 1) * dim);
    }
    rows.tables.emplace_back((*gathered)[t]);
  }
  return rows;
}

std::vector<std::int64_t> IdsOf(const IdColumn& column, std::int64_t example) {
  const std::size_t first = column.offsets.empty()
                                ? static_cast<std::size_t>(example)
                                : static_cast<std::size_t>(column.offsets[example]);
  const std::size_t end =
      column.offsets.empty() ? first + 1 : static_cast<std::size_t>(column.offsets[example + 1]);
  std::vector<std::int64_t> ids;
  for (std::size_t i = first; i < end; ++i) {
    if (column.ids[i] >= 0) ids.push_back(column.ids[i]);
  }
  return ids;
}

// The model of kDescription in plain double loops, from its definition: the specification of Model.
class Reference {
 public:
  Reference(const Model& model, const Weights& weights) : model_(model) {
    for (const std::vector<float>& table : weights)
      tables_.emplace_back(table.begin(), table.end());
  }

  std::vector<double>& table(std::size_t t) { return tables_[t]; }

  double Logit(const Batch& batch, std::int64_t e) const {
    const Schema& schema = model_.encoder().schema();
    const auto ids = [&](const char* name) {
      return IdsOf(batch.ids[static_cast<std::size_t>(schema.FindIds(name))], e);
    };
    const auto number = [&](const char* name) {
      return batch.floats[static_cast<std::size_t>(schema.FindFloats(name))]
          .values[static_cast<std::size_t>(e)];
    };
    // In the order of the columns' names.
    std::vector<double> x(3, 0.0);
    for (const std::int64_t id : ids("color")) x[static_cast<std::size_t>(id)] += 1;
    x.push_back(number("height"));
    Embed("shape_embedding", ids("shape"), 2, /*sqrtn=*/true, &x);
    Embed("town_embedding", ids("town"), 3, /*sqrtn=*/false, &x);
    x.push_back(number("weight"));
    for (const char* layer : {"hiddenlayer_0", "hiddenlayer_1", "logits"}) {
      x = Dense(x, std::string("dnn/") + layer, std::string(layer) != "logits");
    }
    double logit = x[0] + Table("linear/linear_model/bias_weights")[0];
    for (const char* name : {"town", "color", "shape"}) {
      for (const std::int64_t id : ids(name)) {
        logit += Table(std::string("linear/linear_model/") + name +
                       "/weights")[static_cast<std::size_t>(id)];
      }
    }
    return logit;
  }

  double Loss(const Batch& batch) const {
    double sum = 0, weight = 0;
    const auto num_examples = static_cast<double>(batch.num_examples);
    for (std::int64_t e = 0; e < batch.num_examples; ++e) {
      const auto at = static_cast<std::size_t>(e);
      const double w = batch.weights.empty() ? 1 : batch.weights[at];
      const double z = Logit(batch, e);
      sum += w * (std::max(z, 0.0) - z * batch.labels[at] + std::log1p(std::exp(-std::abs(z))));
      weight += w;
    }
    switch (model_.description().estimator.loss_reduction) {
      case LossReduction::kMean:
        return sum / num_examples;
      case LossReduction::kWeightedMean:
        return sum / weight;
      case LossReduction::kSum:
        break;
    }
    return sum;
  }

 private:
  const std::vector<double>& Table(const std::string& name) const {
    for (std::size_t t = 0; t < tables_.size(); ++t) {
      if (model_.tables()[t].name == name) return tables_[t];
    }
    ADD_FAILURE() << "no table " << name;
    std::abort();
  }

  void Embed(const std::string& column, const std::vector<std::int64_t>& ids, std::size_t dim,
             bool sqrtn, std::vector<double>* x) const {
    const auto& table =
        Table("dnn/input_from_feature_columns/input_layer/" + column + "/embedding_weights");
    const double divisor = ids.empty() ? 1
                           : sqrtn     ? std::sqrt(ids.size())
                                       : static_cast<double>(ids.size());
    for (std::size_t d = 0; d < dim; ++d) {
      double sum = 0;
      for (const std::int64_t id : ids) sum += table[static_cast<std::size_t>(id) * dim + d];
      x->push_back(sum / divisor);
    }
  }

  std::vector<double> Dense(const std::vector<double>& x, const std::string& layer,
                            bool relu) const {
    const auto& kernel = Table(layer + "/kernel");
    std::vector<double> y = Table(layer + "/bias");
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t j = 0; j < y.size(); ++j) y[j] += x[i] * kernel[i * y.size() + j];
    }
    for (double& value : y) value = relu ? std::max(value, 0.0) : value;
    return y;
  }

  const Model& model_;
  std::vector<std::vector<double>> tables_;
};

// One pass of the model over a batch.
struct Pass {
  Pass(const Model& model, const Weights& weights, const Batch& batch, int num_threads)
      : pool(num_threads) {
    model.MakeLookups(batch, &workspace, &lookups);
    rows = LookUp(model, weights, lookups, &gathered);
    logits.resize(static_cast<std::size_t>(batch.num_examples * model.head().logit_dim()));
    model.Forward(batch, lookups, rows, &pool, &workspace, logits);
    loss = model.TrainStep(batch, lookups, rows, &pool, &workspace, &gradients);
  }

  base::ThreadPool pool;
  Workspace workspace;
  ops::Lookups lookups;
  ops::Rows rows;
  Weights gathered;
  std::vector<float> logits;
  ops::Gradients gradients;
  double loss = 0;
};

class ModelTest : public ::testing::TestWithParam<std::tuple<std::string, std::int64_t, bool>> {};

TEST_P(ModelTest, LogitsLossAndGradientsAreThoseOfTheDefinition) {
  const auto& [reduction, num_examples, many_ids] = GetParam();
  const Model model(Describe(reduction));
  const Weights weights = RandomWeights(model, Random(1));
  Batch batch = RandomBatch(model, num_examples, many_ids, Random(2));
  if (many_ids) {
    for (std::int64_t e = 0; e < num_examples; ++e)
      batch.weights.push_back(0.5f + static_cast<float>(e % 3));
  }
  const Pass pass(model, weights, batch, 2);
  Reference reference(model, weights);
  for (std::int64_t e = 0; e < num_examples; ++e) {
    ASSERT_NEAR(pass.logits[static_cast<std::size_t>(e)], reference.Logit(batch, e), 2e-5) << e;
  }
  // Float sums over the batch: relative to how many terms there are.
  const double loss = reference.Loss(batch);
  ASSERT_NEAR(pass.loss, loss, 1e-5 * std::max(1.0, loss));

  constexpr double kStep = 1e-5;
  Random pick(3);
  for (std::size_t t = 0; t < model.tables().size(); ++t) {
    const ops::TableSpec& table = model.tables()[t];
    const std::vector<std::int64_t>& ids = pass.lookups.tables[t].ids;
    const std::int64_t num_rows = table.dense ? 1 : static_cast<std::int64_t>(ids.size());
    ASSERT_THAT(pass.gradients.tables[t], SizeIs(num_rows * table.dim)) << table.name;
    for (int trial = 0; trial < 4 && num_rows > 0; ++trial) {
      const std::int64_t row = pick.Below(num_rows), d = pick.Below(table.dim);
      const std::int64_t id = table.dense ? 0 : ids[static_cast<std::size_t>(row)];
      double& weight = reference.table(t)[static_cast<std::size_t>(id * table.dim + d)];
      const double old = weight;
      weight = old + kStep;
      const double above = reference.Loss(batch);
      weight = old - kStep;
      const double below = reference.Loss(batch);
      weight = old;
      const double slope = (above - below) / (2 * kStep);
      EXPECT_NEAR(pass.gradients.tables[t][static_cast<std::size_t>(row * table.dim + d)], slope,
                  2e-5 * std::max(1.0, std::abs(slope)) + 1e-7 * static_cast<double>(num_examples))
          << table.name << " row " << id << " float " << d;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Batches, ModelTest,
                         ::testing::Combine(::testing::Values("mean", "weighted_mean", "sum"),
                                            ::testing::Values<std::int64_t>(1, 2, 39, 40, 41, 300,
                                                                            511, 512, 1000),
                                            ::testing::Bool()),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" +
                                  std::to_string(std::get<1>(info.param)) +
                                  (std::get<2>(info.param) ? "_many_ids" : "_one_id");
                         });

TEST(ModelTest, AnyNumberOfThreadsGivesTheSameBytes) {
  const Model model(Describe("mean"));
  const Weights weights = RandomWeights(model, Random(1));
  for (const std::int64_t num_examples : {40, 512, 5000}) {
    const Batch batch = RandomBatch(model, num_examples, true, Random(2));
    const Pass one(model, weights, batch, 1);
    for (const int num_threads : {2, 3, 5}) {
      const Pass several(model, weights, batch, num_threads);
      EXPECT_EQ(several.logits, one.logits);
      EXPECT_EQ(several.loss, one.loss);
      EXPECT_EQ(several.gradients.tables, one.gradients.tables);
    }
  }
}

TEST(ModelTest, AWorkspaceCanBeUsedForBatchesOfAnySize) {
  const Model model(Describe("sum"));
  const Weights weights = RandomWeights(model, Random(1));
  base::ThreadPool pool(2);
  Workspace reused;
  for (const std::int64_t num_examples : {1000, 1, 40, 700, 40}) {
    const Batch batch = RandomBatch(model, num_examples, false, Random(4));
    const Pass fresh(model, weights, batch, 1);
    ops::Gradients gradients;
    EXPECT_EQ(model.TrainStep(batch, fresh.lookups, fresh.rows, &pool, &reused, &gradients),
              fresh.loss);
    EXPECT_EQ(gradients.tables, fresh.gradients.tables);
  }
}

// A description of another estimator on the same columns; numeric ones are linear, too.
ModelDescription DescribeEstimator(EstimatorKind kind, std::int64_t num_classes) {
  ModelDescription description = Describe("mean");
  description.estimator.kind = kind;
  description.label = {
      .field = "height", .vocabulary = {}, .num_classes = num_classes, .weight_field = ""};
  if (HasLinearPart(kind)) description.estimator.linear_columns.push_back("weight");
  if (!HasLinearPart(kind)) description.estimator.linear_columns.clear();
  if (!HasDnnPart(kind)) description.estimator.dnn_columns.clear();
  return description;
}

double NormOf(const Model& model, const ops::Gradients& gradients, bool of_linear_part) {
  double square = 0;
  for (std::size_t t = 0; t < model.tables().size(); ++t) {
    if (model.tables()[t].name.starts_with("linear") != of_linear_part) continue;
    for (const float g : gradients.tables[t]) {
      square += static_cast<double>(g) * static_cast<double>(g);
    }
  }
  return std::sqrt(square);
}

TEST(ModelTest, EachPartsGradientsAreClippedToTheirNorm) {
  ModelDescription description = Describe("sum");
  const Model free(description);
  const Weights weights = RandomWeights(free, Random(1));
  const Batch batch = RandomBatch(free, 50, true, Random(2));
  const Pass unclipped(free, weights, batch, 1);
  const double deep = NormOf(free, unclipped.gradients, false);
  const double wide = NormOf(free, unclipped.gradients, true);
  description.estimator.gradient_clip_norm = static_cast<float>(std::min(deep, wide) * 1.5);
  const Model clipped(description);
  const Pass pass(clipped, weights, batch, 1);
  const double allowed = description.estimator.gradient_clip_norm;
  EXPECT_EQ(pass.loss, unclipped.loss);
  EXPECT_NEAR(NormOf(free, pass.gradients, false), std::min(deep, allowed), 1e-4 * deep);
  EXPECT_NEAR(NormOf(free, pass.gradients, true), std::min(wide, allowed), 1e-4 * wide);
}

class EstimatorTest : public ::testing::TestWithParam<std::tuple<EstimatorKind, std::int64_t>> {};

// The slope along a random direction in the space of all weights.
void ExpectGradientsAreTheSlopeOfTheLoss(const ModelDescription& description,
                                         std::int64_t num_classes) {
  const Model model(description);
  Batch batch = RandomBatch(model, 600, true, Random(2));
  Random random(4);
  for (float& label : batch.labels) {
    label = num_classes == 0 ? random.Uniform() : static_cast<float>(random.Below(num_classes));
    batch.weights.push_back(1 + random.Uniform());
  }
  const Weights weights = RandomWeights(model, Random(1));
  const Weights direction = RandomWeights(model, Random(5));
  const Pass pass(model, weights, batch, 2);
  double slope = 0;
  for (std::size_t t = 0; t < model.tables().size(); ++t) {
    const std::int64_t dim = model.tables()[t].dim;
    const std::vector<std::int64_t>& ids = pass.lookups.tables[t].ids;
    for (std::size_t i = 0; i < pass.gradients.tables[t].size(); ++i) {
      const std::size_t from =
          model.tables()[t].dense
              ? i
              : static_cast<std::size_t>(ids[i / static_cast<std::size_t>(dim)] * dim) +
                    i % static_cast<std::size_t>(dim);
      slope += static_cast<double>(pass.gradients.tables[t][i]) *
               static_cast<double>(direction[t][from]);
    }
  }
  constexpr float kStep = 1e-3f;
  const auto loss_at = [&](float step) {
    Weights moved = weights;
    for (std::size_t t = 0; t < moved.size(); ++t) {
      for (std::size_t i = 0; i < moved[t].size(); ++i) moved[t][i] += step * direction[t][i];
    }
    return Pass(model, moved, batch, 1).loss;
  };
  const double difference = (loss_at(kStep) - loss_at(-kStep)) / (2.0 * static_cast<double>(kStep));
  // Rounding of losses near 1 over a step of 2e-3; and ReLUs that turn within it.
  EXPECT_NEAR(slope, difference, 2e-3 * std::max(1.0, std::abs(difference)));
  EXPECT_GT(std::abs(slope), 0.01);
}

TEST_P(EstimatorTest, GradientsAreTheSlopeOfTheLoss) {
  const auto& [kind, num_classes] = GetParam();
  ExpectGradientsAreTheSlopeOfTheLoss(DescribeEstimator(kind, num_classes), num_classes);
}

// With one key the same outputs are left out in each pass.
TEST(ModelTest, GradientsAreTheSlopeOfTheLossWithDropout) {
  ModelDescription description = DescribeEstimator(EstimatorKind::kDnnRegressor, 0);
  description.estimator.dropout = 0.4f;
  ExpectGradientsAreTheSlopeOfTheLoss(description, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, EstimatorTest,
    ::testing::Values(std::tuple{EstimatorKind::kLinearClassifier, 2},
                      std::tuple{EstimatorKind::kLinearClassifier, 3},
                      std::tuple{EstimatorKind::kDnnClassifier, 2},
                      std::tuple{EstimatorKind::kDnnClassifier, 5},
                      std::tuple{EstimatorKind::kDnnLinearCombinedClassifier, 2},
                      std::tuple{EstimatorKind::kDnnLinearCombinedClassifier, 4},
                      std::tuple{EstimatorKind::kLinearRegressor, 0},
                      std::tuple{EstimatorKind::kDnnRegressor, 0},
                      std::tuple{EstimatorKind::kDnnLinearCombinedRegressor, 0}));

TEST(ModelTest, VariablesOfManyClassesHaveAColumnForEach) {
  const Model model(DescribeEstimator(EstimatorKind::kLinearClassifier, 3));
  std::vector<std::string> names;
  for (const ops::TableSpec& table : model.tables()) {
    names.push_back(table.name);
    EXPECT_EQ(table.slot_prefix, "part_0/");
  }
  EXPECT_THAT(names,
              ElementsAre("linear/linear_model/color/weights", "linear/linear_model/shape/weights",
                          "linear/linear_model/town/weights", "linear/linear_model/weight/weights",
                          "linear/linear_model/bias_weights"));
  EXPECT_THAT(model.tables()[0].shape, ElementsAre(3, 3));
  EXPECT_THAT(model.tables()[3].shape, ElementsAre(1, 3));
  EXPECT_THAT(model.tables()[4].shape, ElementsAre(3));
}

TEST(ModelTest, VariablesHaveTensorFlowsNamesShapesAndOrder) {
  const Model model(Describe("mean"));
  std::vector<std::string> names;
  for (const ops::TableSpec& table : model.tables()) names.push_back(table.name);
  EXPECT_THAT(
      names,
      ElementsAre("dnn/input_from_feature_columns/input_layer/shape_embedding/embedding_weights",
                  "dnn/input_from_feature_columns/input_layer/town_embedding/embedding_weights",
                  "dnn/hiddenlayer_0/kernel", "dnn/hiddenlayer_0/bias", "dnn/hiddenlayer_1/kernel",
                  "dnn/hiddenlayer_1/bias", "dnn/logits/kernel", "dnn/logits/bias",
                  "linear/linear_model/color/weights", "linear/linear_model/shape/weights",
                  "linear/linear_model/town/weights", "linear/linear_model/bias_weights"));
  EXPECT_THAT(model.tables()[0].shape, ElementsAre(5, 2));
  EXPECT_THAT(model.tables()[2].shape, ElementsAre(10, 7));
  EXPECT_THAT(model.tables()[11].shape, ElementsAre(1));
  EXPECT_EQ(model.tables()[0].optimizer.kind, ops::OptimizerKind::kAdagrad);
  EXPECT_EQ(model.tables()[8].optimizer.kind, ops::OptimizerKind::kFtrl);
  EXPECT_NEAR(model.tables()[2].initializer.scale, std::sqrt(6.0 / 17), 1e-6);
  EXPECT_NEAR(model.tables()[1].initializer.scale, 1 / std::sqrt(3.0), 1e-6);
}

TEST(ModelTest, ActivationsAreThoseOfTheLastStep) {
  const Model model(Describe("mean"));
  const Batch batch = RandomBatch(model, 40, false, Random(2));
  const Pass pass(model, RandomWeights(model, Random(1)), batch, 1);
  const std::vector<LayerActivations> activations = model.Activations(pass.workspace);
  std::vector<std::string> tags;
  for (const LayerActivations& layer : activations) tags.push_back(layer.tag);
  EXPECT_THAT(tags, ElementsAre("dnn/dnn/hiddenlayer_0", "dnn/dnn/hiddenlayer_1", "dnn/dnn/logits",
                                "linear/linear"));
  EXPECT_THAT(activations[0].values, SizeIs(40 * 7));
  EXPECT_NEAR(activations[2].values[5] + activations[3].values[5], pass.logits[5], 1e-6);
}

}  // namespace
}  // namespace dime::models
