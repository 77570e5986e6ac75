// Writes an export of a described model with random weights, and what dime predicts with it for
// each line of a CSV file: one JSON object a line, {"logits": [...], ...}.
//
// make_export DESCRIPTION.yaml VARIANT JSON|CSV|EXAMPLE EXPORT_DIR DATA.csv PREDICTIONS
#include <cstdio>
#include <string>
#include <vector>

#include "models/description.h"
#include "models/export/saved_model.h"
#include "models/model.h"
#include "models/predictor.h"
#include "runtime/base/random.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/storage/file_system.h"

namespace {

using namespace dime;  // NOLINT: one small program.

absl::Status WriteExport(const models::Model& model, models::ExportFormat format,
                         const std::string& dir) {
  storage::FileSystem& fs = storage::LocalFileSystem();
  const std::string description = storage::JoinPath(dir, models::kExportDescriptionFile);
  DIME_RETURN_IF_ERROR(fs.CreateDirectories(std::string(storage::DirName(description))));
  DIME_RETURN_IF_ERROR(fs.CreateDirectories(storage::JoinPath(dir, "variables")));
  for (const auto& [name, content] : models::FormatDescriptionFiles(
           model.description(), std::string(storage::BaseName(description)))) {
    DIME_RETURN_IF_ERROR(fs.WriteAtomically(
        storage::JoinPath(std::string(storage::DirName(description)), name), content));
  }
  DIME_RETURN_IF_ERROR(fs.WriteAtomically(storage::JoinPath(dir, "saved_model.pb"),
                                          models::BuildSavedModel(model, format)));
  DIME_ASSIGN_OR_RETURN(const auto writer, checkpoint::BundleWriter::Create(
                                               fs, storage::JoinPath(dir, "variables/variables")));
  for (const ops::TableSpec& table : model.tables()) {
    base::RandomStream random(/*seed=*/1, table.name);
    std::vector<float> values(static_cast<std::size_t>(table.num_rows * table.dim));
    for (float& value : values) value = 0.2f * random.NextNormal();
    DIME_RETURN_IF_ERROR(writer->AddFloats(table.name, table.shape, values));
  }
  DIME_RETURN_IF_ERROR(writer->AddInt64("global_step", 1000));
  return writer->Finish();
}

absl::Status WritePredictions(const std::string& dir, const std::string& data,
                              const std::string& path) {
  storage::FileSystem& fs = storage::LocalFileSystem();
  DIME_ASSIGN_OR_RETURN(const auto predictor, models::Predictor::Load(fs, dir));
  DIME_ASSIGN_OR_RETURN(const std::string text, fs.ReadFile(data));
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  DIME_ASSIGN_OR_RETURN(const auto predictions, predictor->PredictCsv(lines));
  std::string out;
  for (std::int64_t i = 0; i < predictions.num_examples; ++i) {
    const std::string logits = fmt::format("{}", fmt::join(predictions.LogitsOf(i), ", "));
    if (predictions.is_regression()) {
      out += fmt::format("{{\"predictions\": [{}]}}\n", logits);
      continue;
    }
    const auto e = static_cast<std::size_t>(i);
    const std::string logistic = predictions.logistic.empty()
                                     ? ""
                                     : fmt::format("\"logistic\": [{}], ", predictions.logistic[e]);
    out += fmt::format(
        "{{\"logits\": [{}], {}\"probabilities\": [{}], \"class_ids\": [{}], \"classes\": "
        "[\"{}\"]}}\n",
        logits, logistic, fmt::join(predictions.ProbabilitiesOf(i), ", "), predictions.class_ids[e],
        predictions.class_ids[e]);
  }
  return fs.WriteAtomically(path, out);
}

absl::Status Run(const std::vector<std::string>& args) {
  if (args.size() != 6) return base::InvalidArgument("six arguments are expected");
  DIME_ASSIGN_OR_RETURN(const std::string yaml, storage::LocalFileSystem().ReadFile(args[0]));
  DIME_ASSIGN_OR_RETURN(const auto description, models::ParseDescription(yaml, args[0], args[1]));
  DIME_ASSIGN_OR_RETURN(const auto format, models::ParseExportFormat(args[2]));
  DIME_RETURN_IF_ERROR(WriteExport(models::Model(description), format, args[3]));
  return WritePredictions(args[3], args[4], args[5]);
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Run({argv + 1, argv + argc});
  if (status.ok()) return 0;
  std::fprintf(stderr, "make_export: %s\n", status.ToString().c_str());
  return 1;
}
