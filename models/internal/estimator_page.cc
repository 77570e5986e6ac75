#include "models/internal/estimator_page.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "models/internal/column_page.h"
#include "models/internal/feature_columns.h"
#include "models/internal/optimizer_page.h"

namespace dime::models::internal {
namespace {

constexpr std::int64_t kMaxKernelElements = std::int64_t{1} << 28;  // 1 GiB of floats.
constexpr std::int64_t kMaxSteps = std::int64_t{1} << 53;
constexpr std::int64_t kMaxBatchSize = std::int64_t{1} << 24;

constexpr Choice<EstimatorKind> kEstimators[] = {
    {"LinearClassifier", EstimatorKind::kLinearClassifier},
    {"DNNClassifier", EstimatorKind::kDnnClassifier},
    {"DNNLinearCombinedClassifier", EstimatorKind::kDnnLinearCombinedClassifier},
    {"LinearRegressor", EstimatorKind::kLinearRegressor},
    {"DNNRegressor", EstimatorKind::kDnnRegressor},
    {"DNNLinearCombinedRegressor", EstimatorKind::kDnnLinearCombinedRegressor}};
constexpr Choice<LossReduction> kReductions[] = {{"mean", LossReduction::kMean},
                                                 {"sum", LossReduction::kSum},
                                                 {"weighted_mean", LossReduction::kWeightedMean}};

// --- Estimators

bool IsLinear(const FeatureColumn& column) {
  return IsCategorical(column) || std::holds_alternative<NumericColumn>(column.kind);
}
bool IsDense(const FeatureColumn& column) { return !IsCategorical(column); }

// Reads one or more names of columns that `is_allowed`, each once.
absl::Status ReadColumnNames(const YamlNode& node, const ModelDescription& description,
                             bool (*is_allowed)(const FeatureColumn&), std::string_view what,
                             std::vector<std::string>* names) {
  DIME_RETURN_IF_ERROR(ReadTexts(&node, names));
  if (names->empty()) return node.Error("is empty; {} are expected", what);
  std::vector<std::string> known;
  for (const FeatureColumn& column : description.columns) {
    if (is_allowed(column)) known.push_back(column.name);
  }
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < names->size(); ++i) {
    const YamlNode& place = node.children[i];
    const std::string& name = (*names)[i];
    const FeatureColumn* const column = description.FindColumn(name);
    if (column == nullptr) return UnknownName(place, "column", name, known);
    if (!is_allowed(*column)) {
      return place.Error("'{}' is a column of kind {}; {} are expected here: {}", name,
                         KindName(*column), what, Listed(known));
    }
    if (!seen.insert(name).second) return place.Error("'{}' is listed twice", name);
  }
  return absl::OkStatus();
}

absl::Status ReadHiddenUnits(const YamlNode& node, std::vector<std::int64_t>* units) {
  if (node.kind != YamlNode::Kind::kList || node.children.empty()) {
    return node.Error("a list of one or more layer sizes is expected: [100, 50]");
  }
  for (const YamlNode& item : node.children) {
    DIME_RETURN_IF_ERROR(ReadInteger(&item, 1, kMaxDim, &units->emplace_back()));
  }
  return absl::OkStatus();
}

// An optimizer that moves every row at each step would have to know when each was moved last.
absl::Status CheckUnbounded(const YamlNode& optimizer, const ops::OptimizerSpec& spec,
                            const ModelDescription& description,
                            const std::vector<std::string>& columns) {
  if (!ops::MovesAllRows(spec.kind)) return absl::OkStatus();
  for (const std::string& name : columns) {
    if (!UnboundedRowsOf(description, *description.FindColumn(name))) continue;
    return optimizer.Error(
        "{} moves every row of a table at each step, and '{}' has no bound on its ids; take "
        "another optimizer, such as adagrad, or give the column buckets",
        OptimizerName(spec.kind), name);
  }
  return absl::OkStatus();
}

absl::Status ReadLinearPart(const YamlNode& node, ModelDescription* description) {
  Estimator& estimator = description->estimator;
  DIME_RETURN_IF_ERROR(ReadColumnNames(*node.Find("linear_columns"), *description, IsLinear,
                                       "categorical and numeric columns",
                                       &estimator.linear_columns));
  const YamlNode& optimizer = *node.Find("linear_optimizer");
  DIME_RETURN_IF_ERROR(ReadOptimizer(optimizer, &estimator.linear_optimizer));
  return CheckUnbounded(optimizer, estimator.linear_optimizer, *description,
                        estimator.linear_columns);
}

absl::Status ReadDnnPart(const YamlNode& node, ModelDescription* description) {
  Estimator& estimator = description->estimator;
  DIME_RETURN_IF_ERROR(ReadColumnNames(*node.Find("dnn_columns"), *description, IsDense,
                                       "dense columns (numeric, indicator, embedding)",
                                       &estimator.dnn_columns));
  DIME_RETURN_IF_ERROR(ReadHiddenUnits(*node.Find("hidden_units"), &estimator.hidden_units));
  if (const YamlNode* const dropout = node.Find("dropout")) {
    DIME_RETURN_IF_ERROR(ReadFloat(dropout, &estimator.dropout));
    if (!(estimator.dropout >= 0 && estimator.dropout < 1)) {
      return dropout->Error("is {}; allowed is a number from 0 to below 1", estimator.dropout);
    }
  }
  const YamlNode& optimizer = *node.Find("dnn_optimizer");
  DIME_RETURN_IF_ERROR(ReadOptimizer(optimizer, &estimator.dnn_optimizer));
  return CheckUnbounded(optimizer, estimator.dnn_optimizer, *description, estimator.dnn_columns);
}

absl::Status ReadParts(const YamlNode& node, ModelDescription* description) {
  Estimator& estimator = description->estimator;
  std::vector<std::string_view> keys = {"kind"};
  if (HasLinearPart(estimator.kind)) {
    keys.insert(keys.end(), {"linear_columns", "linear_optimizer"});
  }
  if (HasDnnPart(estimator.kind)) {
    keys.insert(keys.end(), {"dnn_columns", "hidden_units", "dnn_optimizer"});
  }
  std::vector<std::string_view> optional = {"loss_reduction", "gradient_clip_norm"};
  if (HasDnnPart(estimator.kind)) optional.emplace_back("dropout");
  DIME_RETURN_IF_ERROR(CheckKeys(node, keys, optional));
  if (const YamlNode* const norm = node.Find("gradient_clip_norm")) {
    DIME_RETURN_IF_ERROR(ReadFloat(norm, &estimator.gradient_clip_norm));
    if (!(estimator.gradient_clip_norm >= 0)) {
      return norm->Error("is {}; allowed is a number above 0, or 0 for no limit",
                         estimator.gradient_clip_norm);
    }
  }
  if (HasLinearPart(estimator.kind)) DIME_RETURN_IF_ERROR(ReadLinearPart(node, description));
  if (HasDnnPart(estimator.kind)) DIME_RETURN_IF_ERROR(ReadDnnPart(node, description));
  return ReadChoice(node.Find("loss_reduction"), kReductions, &estimator.loss_reduction);
}

absl::Status CheckLabelFits(const YamlNode& kind, const ModelDescription& description) {
  const std::int64_t num_classes = NumClasses(description.label);
  if (IsRegressor(description.estimator.kind)) {
    if (num_classes == 0) return absl::OkStatus();
    return kind.Error("a regressor predicts a number, but the label '{}' has {} classes",
                      description.label.field, num_classes);
  }
  if (num_classes > 0) return absl::OkStatus();
  return kind.Error("a classifier needs a label with a vocabulary or num_classes; '{}' has neither",
                    description.label.field);
}

std::int64_t NumLogits(const ModelDescription& description) {
  const std::int64_t num_classes = NumClasses(description.label);
  return num_classes > 2 ? num_classes : 1;
}

absl::Status CheckKernel(std::int64_t rows, std::int64_t columns, std::string_view name) {
  if (rows * columns <= kMaxKernelElements) return absl::OkStatus();
  return base::InvalidArgument("{} has {} x {} weights; at most {} are allowed", name, rows,
                               columns, kMaxKernelElements);
}

}  // namespace

absl::Status ReadEstimator(const YamlNode& node, ModelDescription* description) {
  if (node.kind != YamlNode::Kind::kMap || node.Find("kind") == nullptr) {
    return node.Error(
        "a mapping with the key 'kind' is expected, such as DNNLinearCombinedClassifier");
  }
  DIME_RETURN_IF_ERROR(ReadChoice(node.Find("kind"), kEstimators, &description->estimator.kind));
  DIME_RETURN_IF_ERROR(CheckLabelFits(*node.Find("kind"), *description));
  DIME_RETURN_IF_ERROR(ReadParts(node, description));
  const absl::Status sizes = CheckSizes(*description);
  return sizes.ok() ? sizes : node.Error("{}", base::MessageOf(sizes));
}

YamlNode WriteEstimator(const Estimator& estimator) {
  const auto text = [](std::string_view word) { return YamlNode::Text(std::string(word)); };
  YamlNode node = YamlNode::Map();
  node.Add("kind", text(ChoiceName(kEstimators, estimator.kind)));
  const bool has_linear = HasLinearPart(estimator.kind);
  const bool has_dnn = HasDnnPart(estimator.kind);
  if (has_linear) node.Add("linear_columns", YamlNode::TextList(estimator.linear_columns));
  if (has_dnn) {
    YamlNode units = YamlNode::List({});
    for (const std::int64_t unit : estimator.hidden_units) {
      units.children.push_back(YamlNode::Text(fmt::format("{}", unit)));
    }
    node.Add("dnn_columns", YamlNode::TextList(estimator.dnn_columns))
        .Add("hidden_units", std::move(units));
    if (estimator.dropout > 0) node.Add("dropout", text(fmt::format("{}", estimator.dropout)));
  }
  node.Add("loss_reduction", text(ChoiceName(kReductions, estimator.loss_reduction)));
  if (estimator.gradient_clip_norm > 0) {
    node.Add("gradient_clip_norm", text(fmt::format("{}", estimator.gradient_clip_norm)));
  }
  if (has_linear) node.Add("linear_optimizer", WriteOptimizer(estimator.linear_optimizer));
  if (has_dnn) node.Add("dnn_optimizer", WriteOptimizer(estimator.dnn_optimizer));
  return node;
}

absl::Status ReadTraining(const YamlNode& node, TrainingDefaults* training) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {},
                                 {"train_steps", "train_batch_size", "eval_batch_size",
                                  "eval_steps", "export_name", "eval_name"}));
  const auto read = [&node](std::string_view key, std::int64_t min, std::int64_t max,
                            std::int64_t* out) {
    return ReadInteger(node.Find(key), min, max, out);
  };
  DIME_RETURN_IF_ERROR(read("train_steps", 1, kMaxSteps, &training->train_steps));
  DIME_RETURN_IF_ERROR(read("train_batch_size", 1, kMaxBatchSize, &training->train_batch_size));
  DIME_RETURN_IF_ERROR(read("eval_batch_size", 1, kMaxBatchSize, &training->eval_batch_size));
  DIME_RETURN_IF_ERROR(read("eval_steps", 0, kMaxSteps, &training->eval_steps));
  const auto read_name = [&node](std::string_view key, std::string* out) -> absl::Status {
    const YamlNode* const place = node.Find(key);
    if (place == nullptr) return absl::OkStatus();
    DIME_RETURN_IF_ERROR(ReadText(place, out));
    return CheckName(*place, *out);
  };
  DIME_RETURN_IF_ERROR(read_name("export_name", &training->export_name));
  return read_name("eval_name", &training->eval_name);
}

YamlNode WriteTraining(const TrainingDefaults& training) {
  YamlNode node = YamlNode::Map();
  const auto add_number = [&node](std::string_view key, std::int64_t value) {
    node.Add(key, YamlNode::Text(fmt::format("{}", value)));
  };
  add_number("train_steps", training.train_steps);
  add_number("train_batch_size", training.train_batch_size);
  add_number("eval_batch_size", training.eval_batch_size);
  add_number("eval_steps", training.eval_steps);
  if (!training.export_name.empty()) {
    node.Add("export_name", YamlNode::Text(training.export_name));
  }
  if (!training.eval_name.empty()) node.Add("eval_name", YamlNode::Text(training.eval_name));
  return node;
}

absl::Status CheckSizes(const ModelDescription& description) {
  for (const FeatureColumn& column : description.columns) {
    const auto* const embedding = std::get_if<EmbeddingColumn>(&column.kind);
    if (embedding == nullptr) continue;
    if (embedding->dim < 1 || embedding->dim > kMaxDim) {
      return base::InvalidArgument("{} has the dimension {}; 1 to {} are allowed", column.name,
                                   embedding->dim, kMaxDim);
    }
    if (UnboundedRowsOf(description, column)) continue;
    const std::int64_t num_ids = NumIds(description, *SourceOf(description, column));
    if (num_ids > kMaxIds / embedding->dim) {
      return base::InvalidArgument("{} has {} x {} weights; at most {} are allowed", column.name,
                                   num_ids, embedding->dim, kMaxIds);
    }
  }
  const Estimator& estimator = description.estimator;
  const std::int64_t num_logits = NumLogits(description);
  for (const std::string& name : estimator.linear_columns) {
    const FeatureColumn& column = *description.FindColumn(name);
    if (UnboundedRowsOf(description, column)) continue;
    const std::int64_t num_ids = NumIds(description, column);
    if (num_ids > kMaxIds / num_logits) {
      return base::InvalidArgument("{} has {} x {} weights; at most {} are allowed", name, num_ids,
                                   num_logits, kMaxIds);
    }
  }
  std::int64_t width = 0;
  for (const std::string& name : estimator.dnn_columns) {
    width += DenseWidth(description, *description.FindColumn(name));
    if (width > kMaxDim) {
      return base::InvalidArgument(
          "dnn_columns up to {} make an input of {} numbers; at most {} are allowed", name, width,
          kMaxDim);
    }
  }
  if (estimator.hidden_units.size() > kMaxHiddenLayers) {
    return base::InvalidArgument("there are {} hidden layers; at most {} are allowed",
                                 estimator.hidden_units.size(), kMaxHiddenLayers);
  }
  for (std::size_t layer = 0; layer < estimator.hidden_units.size(); ++layer) {
    const std::int64_t units = estimator.hidden_units[layer];
    if (units < 1 || units > kMaxDim) {
      return base::InvalidArgument("hidden layer {} has {} units; 1 to {} are allowed", layer + 1,
                                   units, kMaxDim);
    }
    DIME_RETURN_IF_ERROR(CheckKernel(width, units, fmt::format("hidden layer {}", layer + 1)));
    width = units;
  }
  return CheckKernel(width, num_logits, "the layer of logits");
}

}  // namespace dime::models::internal
