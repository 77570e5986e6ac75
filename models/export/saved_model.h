// models/export/saved_model.h - the serving graph of a model, as TensorFlow's SavedModel.
//
// The graph has one value per feature and example, about 200 nodes for census, and only ops that
// TensorFlow has had since 1.x. Its variables stand in variables/ beside it, under their names in
// checkpoints.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "models/model.h"
#include "runtime/base/status.h"

namespace dime::models {

enum class ExportFormat { kJson, kCsv, kExample };

// "JSON", "CSV", "EXAMPLE".
absl::StatusOr<ExportFormat> ParseExportFormat(std::string_view name);
[[nodiscard]] std::string_view ExportFormatName(ExportFormat format);

// kInvalidArgument where TensorFlow has no way to read what the model reads.
absl::Status CheckExport(const ModelDescription& description, ExportFormat format);

// The bytes of saved_model.pb, of what CheckExport() lets pass. Signatures: serving_default and
// predict; classification and regression too where the only input is a string (CSV, EXAMPLE).
[[nodiscard]] std::string BuildSavedModel(const Model& model, ExportFormat format);

// What a signature gives of each instance: all predictions; `classes` and `scores`; or `outputs`.
enum class SignatureMethod { kPredict, kClassify, kRegress };

// The signatures of saved_model.pb's bytes, by name. kDataLoss where they are no SavedModel, or one
// with a method that dime does not know.
absl::StatusOr<std::map<std::string, SignatureMethod>> ReadSignatures(std::string_view saved_model);

}  // namespace dime::models
