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
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ops/hashing.h"
#include "ops/optimizer.h"
#include "ops/sparse.h"
#include "ops/table.h"
#include "runtime/base/status.h"

namespace dime::models {

// --- What a record is made of
// -----------------------------------------------------------------------------------------

enum class FieldType { kInteger, kFloat, kString };

struct Field {
  std::string name;
  FieldType type = FieldType::kString;
  std::string default_value;    // Stands for an empty field (of a list: for each of its values).
  std::int64_t num_values = 1;  // More: a list of so many numbers. 0: a list of any length.
  char value_separator = '|';   // Between the values of a list in CSV.

  [[nodiscard]] bool is_list() const { return num_values != 1; }
};

// What files are. Whether they are compressed is always found out.
enum class FileFormat { kDetected, kCsv, kTfRecord };

enum class Quoting {
  kRfc4180,
  kNone,  // A quote is a character like any other.
};

struct InputFormat {
  FileFormat file_format = FileFormat::kDetected;
  char separator = ',';
  int header_lines = 0;  // Lines to skip at the start of each file.
  bool trim_blanks =
      false;  // Whether blanks around a string belong to it: hash buckets see the difference.
  Quoting quoting = Quoting::kRfc4180;
  // Texts that stand for an empty field in CSV: "NA", "\\N". Without the blanks around them
  // where these are trimmed.
  std::vector<std::string> missing_values;
  std::vector<Field> fields;
};

struct Label {
  std::string field;
  std::vector<std::string> vocabulary;  // Class i is vocabulary[i].
  std::int64_t num_classes = 0;         // Where the field holds the class's number instead.
  std::string weight_field = {};        // How much an example counts; "": 1.
};
// 0: the label is a number to be predicted.
[[nodiscard]] std::int64_t NumClasses(const Label& label);

// --- Feature columns
// --------------------------------------------------------------------------------------------------
// Each has a name, unique in the model. Categorical ones give ids, dense ones give floats. A value
// matches a vocabulary entry when the two are equal once white space around them is gone, whether
// or not the data keep it.

enum class NormalizerKind { kNone, kZScore, kMinMax, kLog };

// kZScore: (x - mean) / stddev. kMinMax: (x - min) / (max - min). kLog: log(1 + x), 0 for x < 0.
struct Normalizer {
  NormalizerKind kind = NormalizerKind::kNone;
  float mean = 0;
  float stddev = 1;
  float min = 0;
  float max = 1;
};

struct NumericColumn {  // dense; a field of a fixed number of values.
  std::string field;
  Normalizer normalizer = {};
};
struct VocabularyColumn {  // categorical: a list on the page, or a file.
  std::string field;
  std::vector<std::string> vocabulary;
  std::int64_t num_oov_buckets = 0;  // Where values outside the vocabulary are hashed to.
  std::string file = {};             // Where the vocabulary was read from; "": the page.
};
struct HashBucketColumn {  // categorical
  std::string field;
  std::int64_t num_buckets = 0;
  // As many buckets as there are numbers: an id is a value's hash, and tables made from the column
  // have rows for those ids alone that are seen.
  std::optional<ops::UnboundedRows> unbounded = {};
};
struct IdentityColumn {  // categorical: an integer is its own id; -1 stands for none.
  std::string field;
  std::int64_t num_buckets = 0;
  std::int64_t default_id = -1;  // For integers outside [-1, num_buckets); -1: they are errors.
};
struct BucketizedColumn {  // categorical
  std::string source;      // A numeric column.
  std::vector<float>
      boundaries;  // Strictly ascending; a boundary belongs to the bucket on its right.
};
struct CrossKey {
  bool is_column = false;  // A categorical column's id, or else a field's raw string or integer.
  std::string name;
};
struct CrossedColumn {  // categorical
  std::vector<CrossKey> keys;
  std::int64_t num_buckets = 0;
  std::uint64_t hash_key = ops::kDefaultCrossKey;
  std::optional<ops::UnboundedRows> unbounded = {};  // As of a HashBucketColumn.
};
struct WeightedColumn {  // categorical: the source's ids, each with a number of a field beside it.
  std::string source;    // A vocabulary, hash_bucket or identity column.
  std::string weight_field;
};
struct IndicatorColumn {  // dense
  std::string source;     // A categorical column.
};
struct EmbeddingColumn {  // dense
  std::string source;     // A categorical column.
  std::int64_t dim = 0;
  ops::Combiner combiner = ops::Combiner::kMean;
  std::string collection = {};  // Embeddings that name the same one share a table; "": its own.
};

struct FeatureColumn {
  std::string name;
  std::variant<NumericColumn, VocabularyColumn, HashBucketColumn, IdentityColumn, BucketizedColumn,
               CrossedColumn, WeightedColumn, IndicatorColumn, EmbeddingColumn>
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

// kMean: the weighted sum over the number of examples. kWeightedMean: over the sum of weights.
enum class LossReduction { kMean, kSum, kWeightedMean };

inline constexpr std::size_t kMaxHiddenLayers = 64;

// What belongs to a part that the kind does not have is empty.
struct Estimator {
  EstimatorKind kind = EstimatorKind::kDnnLinearCombinedClassifier;
  std::vector<std::string> linear_columns;  // Categorical or numeric.
  std::vector<std::string> dnn_columns;     // Dense.
  std::vector<std::int64_t> hidden_units;
  ops::OptimizerSpec linear_optimizer;
  ops::OptimizerSpec dnn_optimizer;
  float dropout = 0;             // The chance of each output of a hidden layer to be left out.
  float gradient_clip_norm = 0;  // Of each part's gradients together, at most; 0: any.
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

// Reads a description. `file_name` is for messages, and vocabularies' files are found from its
// directory; `variant` "" takes the page's first.
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

// The vocabularies' files, with names of their own, and then the page that refers to them, to be
// written into one directory: what job directories and exports keep.
struct DescriptionFile {
  std::string name;
  std::string content;
};
[[nodiscard]] std::vector<DescriptionFile> FormatDescriptionFiles(
    const ModelDescription& description, const std::string& page_name);

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
