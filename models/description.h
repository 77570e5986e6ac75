// models/description.h - a model as its users write it: one YAML page of fields, feature columns,
// estimator, defaults.
//
// models/DESCRIPTION.md has the grammar, configs/models/census.yaml is a whole one. A description
// is checked completely when it is read: kInvalidArgument says "file:line: key: what is wrong; what
// is allowed".
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ops/hashing.h"
#include "ops/optimizer.h"
#include "ops/sparse.h"
#include "runtime/base/status.h"

namespace dime::models {

// --- What a record is made of
// -----------------------------------------------------------------------------------------

enum class FieldType { kInteger, kFloat, kString };

struct Field {
  std::string name;
  FieldType type = FieldType::kString;
  std::string default_value;  // Stands for an empty field.
};

struct InputFormat {
  char separator = ',';
  int header_lines = 0;  // Lines to skip at the start of each file.
  bool trim_blanks =
      false;  // Whether blanks around a string belong to it: hash buckets see the difference.
  std::vector<Field> fields;
};

struct Label {
  std::string field;
  std::vector<std::string> vocabulary;  // Class i is vocabulary[i].
  std::int64_t num_classes = 0;         // Where the field holds the class's number instead.
};
// 0: the label is a number to be predicted.
[[nodiscard]] std::int64_t NumClasses(const Label& label);

// --- Feature columns
// --------------------------------------------------------------------------------------------------
// Each has a name, unique in the model. Categorical ones give ids, dense ones give floats. A value
// matches a vocabulary entry when the two are equal once white space around them is gone, whether
// or not the data keep it.

struct NumericColumn {  // dense
  std::string field;
};
struct VocabularyListColumn {  // categorical
  std::string field;
  std::vector<std::string> vocabulary;
};
struct HashBucketColumn {  // categorical
  std::string field;
  std::int64_t num_buckets = 0;
};
struct BucketizedColumn {  // categorical
  std::string source;      // A numeric column.
  std::vector<float>
      boundaries;  // Strictly ascending; a boundary belongs to the bucket on its right.
};
struct CrossKey {
  bool is_column = false;  // A categorical column's id, or else a field's raw string.
  std::string name;
};
struct CrossedColumn {  // categorical
  std::vector<CrossKey> keys;
  std::int64_t num_buckets = 0;
  std::uint64_t hash_key = ops::kDefaultCrossKey;
};
struct IndicatorColumn {  // dense
  std::string source;     // A categorical column.
};
struct EmbeddingColumn {  // dense
  std::string source;     // A categorical column.
  std::int64_t dim = 0;
  ops::Combiner combiner = ops::Combiner::kMean;
};

struct FeatureColumn {
  std::string name;
  std::variant<NumericColumn, VocabularyListColumn, HashBucketColumn, BucketizedColumn,
               CrossedColumn, IndicatorColumn, EmbeddingColumn>
      kind;
};

// --- Estimator and defaults
// -------------------------------------------------------------------------------------------

// TensorFlow's canned estimators.
enum class EstimatorKind {
  kLinearClassifier,
  kDnnClassifier,
  kDnnLinearCombinedClassifier,
  kLinearRegressor,
  kDnnRegressor,
  kDnnLinearCombinedRegressor,
};
[[nodiscard]] bool IsRegressor(EstimatorKind kind);
[[nodiscard]] bool HasLinearPart(EstimatorKind kind);
[[nodiscard]] bool HasDnnPart(EstimatorKind kind);

enum class LossReduction { kMean, kSum };

inline constexpr std::size_t kMaxHiddenLayers = 64;

// What belongs to a part that the kind does not have is empty.
struct Estimator {
  EstimatorKind kind = EstimatorKind::kDnnLinearCombinedClassifier;
  std::vector<std::string> linear_columns;  // Categorical or numeric.
  std::vector<std::string> dnn_columns;     // Dense.
  std::vector<std::int64_t> hidden_units;
  ops::OptimizerSpec linear_optimizer;
  ops::OptimizerSpec dnn_optimizer;
  LossReduction loss_reduction = LossReduction::kMean;
};

// What a job does unless its flags say otherwise.
struct TrainingDefaults {
  std::int64_t train_steps = 100;
  std::int64_t train_batch_size = 40;
  std::int64_t eval_batch_size = 40;
  std::int64_t eval_steps = 100;  // 0: the whole evaluation set.
  std::string export_name;        // The model's name unless the page says otherwise.
  std::string eval_name;          // The directory is eval_<eval_name>.
};

struct ModelDescription {
  std::string name;  // The variant's name: "census", "census-v1".
  InputFormat input;
  Label label;
  std::vector<FeatureColumn> columns;
  Estimator estimator;
  TrainingDefaults training;

  [[nodiscard]] const FeatureColumn* FindColumn(std::string_view name) const;
  [[nodiscard]] int FindField(std::string_view name) const;  // -1 when there is none.
};

// "adagrad", as pages name it.
[[nodiscard]] std::string_view OptimizerName(ops::OptimizerKind kind);

// What the sample's flags change in a description before the model is built.
struct DescriptionOverrides {
  std::int64_t embedding_dim = 0;          // 0: as described.
  std::vector<std::int64_t> hidden_units;  // Empty: as described.
};

// Reads a description. `file_name` is for messages; `variant` "" takes the file's first.
inline constexpr std::uint64_t kMaxDescriptionBytes = std::uint64_t{1} << 20;
absl::StatusOr<ModelDescription> ParseDescription(std::string_view yaml,
                                                  const std::string& file_name,
                                                  const std::string& variant);
// The names of its variants; a page without any describes one model, named like the file.
absl::StatusOr<std::vector<std::string>> VariantNames(std::string_view yaml,
                                                      const std::string& file_name);

absl::Status ApplyOverrides(const DescriptionOverrides& overrides, ModelDescription* description);

// The description as YAML that ParseDescription() reads back to an equal one: what job directories
// and exports carry.
[[nodiscard]] std::string FormatDescription(const ModelDescription& description);

// What a message calls the two descriptions that it compares.
struct SideNames {
  std::string_view here = "here";
  std::string_view there = "there";
};

// One line for each difference, "key: 8 here, 4 there"; empty when both describe the same model.
// Training defaults and optimizers' rates are no difference: a job may be continued with others.
[[nodiscard]] std::vector<std::string> DescribeDifference(const ModelDescription& here,
                                                          const ModelDescription& there,
                                                          const SideNames& names = {});

}  // namespace dime::models
