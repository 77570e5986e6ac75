// models/predictor.h - scores instances with an export: the same columns and the same forward pass
// that trained it.
//
// Threads: Predict() from one thread at a time. Errors: kNotFound/kFailedPrecondition when the
// directory is no export of dime's; kInvalidArgument for an instance, naming its number (1-based),
// the feature and the reason.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/batch.h"
#include "models/export/saved_model.h"
#include "models/model.h"
#include "models/predictions.h"
#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::models {

// Weights in memory, in the model's table order, without slots: what a prediction needs of a
// parameter store.
struct ModelWeights {
  std::vector<std::vector<float>> tables;
  // By table: of an unbounded one the ids of its rows, ascending; the last row is for all others.
  std::vector<std::vector<std::int64_t>> ids = {};
};

class Predictor {
 public:
  // `export_dir`: a directory with saved_model.pb, variables/ and assets.extra/dime/model.yaml.
  static absl::StatusOr<std::unique_ptr<Predictor>> Load(storage::FileSystem& fs,
                                                         const std::string& export_dir);
  ~Predictor();

  [[nodiscard]] const Model& model() const;
  // What may be asked of the export, by name.
  [[nodiscard]] const std::map<std::string, SignatureMethod>& signatures() const;

  // Instances as prediction files have them: one JSON object (feature: value), or one CSV line with
  // or without the label, each.
  absl::StatusOr<Predictions> PredictJson(std::span<const std::string> instances);
  absl::StatusOr<Predictions> PredictCsv(std::span<const std::string> lines);
  // Serialised tf.Examples.
  absl::StatusOr<Predictions> PredictExamples(std::span<const std::string> examples);
  // Examples that are encoded already.
  Predictions PredictBatch(const Batch& batch);

 private:
  class Impl;
  explicit Predictor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The name under which an export carries its description.
inline constexpr char kExportDescriptionFile[] = "assets.extra/dime/model.yaml";

// Rows of `weights` for `lookups`: views into `weights` for dense tables, into `scratch` for
// others.
ops::Rows LookUpRows(const Model& model, const ModelWeights& weights, const ops::Lookups& lookups,
                     std::vector<std::vector<float>>* scratch);

}  // namespace dime::models
