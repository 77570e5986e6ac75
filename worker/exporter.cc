#include "worker/exporter.h"

#include <chrono>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "models/description.h"
#include "models/predictor.h"
#include "ps/snapshot.h"
#include "runtime/base/log.h"
#include "runtime/base/thread_pool.h"
#include "runtime/checkpoint/bundle.h"

namespace dime::worker {

namespace {

using storage::JoinPath;

constexpr int kMostExportsPerSecond = 1000;

// The two sides add floats in different orders, and raw inputs make large logits.
constexpr double kAbsoluteTolerance = 1e-4;
constexpr double kRelativeTolerance = 1e-5;

std::int64_t SecondsSince1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

// Deletes a directory in the end, unless it has been published under its final name by then.
class UnfinishedDirectory {
 public:
  UnfinishedDirectory(storage::FileSystem& fs, std::string path)
      : fs_(fs), path_(std::move(path)) {}
  ~UnfinishedDirectory() {
    if (const absl::Status status = fs_.DeleteTree(path_); !status.ok()) {
      base::Log(base::Severity::kWarning, "the unfinished export {} stays: {}", path_,
                base::MessageOf(status));
    }
  }
  UnfinishedDirectory(const UnfinishedDirectory&) = delete;
  UnfinishedDirectory& operator=(const UnfinishedDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  storage::FileSystem& fs_;
  std::string path_;
};

absl::Status DeleteUnfinished(storage::FileSystem& fs, const std::string& base) {
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(base));
  for (const std::string& name : names) {
    if (!name.starts_with(kUnfinishedExportPrefix)) continue;
    DIME_RETURN_IF_ERROR(fs.DeleteTree(JoinPath(base, name)));
  }
  return absl::OkStatus();
}

absl::Status WriteFiles(storage::FileSystem& fs, const std::string& directory,
                        const models::Model& model, ParameterStore& store, std::int64_t global_step,
                        models::ExportFormat format) {
  const std::string description = JoinPath(directory, models::kExportDescriptionFile);
  const std::string variables = JoinPath(directory, "variables");
  const std::string own_files(storage::DirName(description));
  DIME_RETURN_IF_ERROR(fs.CreateDirectories(own_files));
  DIME_RETURN_IF_ERROR(fs.CreateDirectories(variables));
  const std::string page_name(storage::BaseName(description));
  for (const auto& [name, content] :
       models::FormatDescriptionFiles(model.description(), page_name)) {
    DIME_RETURN_IF_ERROR(fs.WriteAtomically(JoinPath(own_files, name), content));
  }
  DIME_RETURN_IF_ERROR(fs.WriteAtomically(JoinPath(directory, "saved_model.pb"),
                                          models::BuildSavedModel(model, format)));
  DIME_ASSIGN_OR_RETURN(const auto writer,
                        checkpoint::BundleWriter::Create(fs, JoinPath(variables, "variables")));
  DIME_RETURN_IF_ERROR(
      ps::WriteSnapshot(store.rows(), global_step, ps::SnapshotParts::kWeights, *writer));
  return writer->Finish();
}

absl::StatusOr<std::vector<float>> ScoreWithStore(const models::Model& model, ParameterStore& store,
                                                  const models::Batch& sample) {
  models::Workspace workspace;
  ops::Lookups lookups;
  model.MakeLookups(sample, &workspace, &lookups);
  DIME_ASSIGN_OR_RETURN(const ops::Rows rows,
                        store.Exchange(/*push=*/nullptr, {.lookups = &lookups}));
  std::vector<float> logits(
      static_cast<std::size_t>(sample.num_examples * model.head().logit_dim()));
  base::ThreadPool pool(1);
  model.Forward(sample, lookups, rows, &pool, &workspace, logits);
  return logits;
}

// Whether the files say what the store says.
absl::Status CheckScores(storage::FileSystem& fs, const std::string& directory,
                         const models::Model& model, ParameterStore& store,
                         const models::Batch& sample) {
  DIME_ASSIGN_OR_RETURN(const std::vector<float> expected, ScoreWithStore(model, store, sample));
  DIME_ASSIGN_OR_RETURN(const auto predictor, models::Predictor::Load(fs, directory));
  const models::Predictions predictions = predictor->PredictBatch(sample);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double logit = predictions.logits[i];
    const double difference = std::abs(logit - expected[i]);
    if (difference <= kAbsoluteTolerance + kRelativeTolerance * std::abs(expected[i])) continue;
    return base::Internal("the export gives example {} the logit {}, where training has {}",
                          i / static_cast<std::size_t>(predictions.num_logits) + 1, logit,
                          expected[i]);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Publish(storage::FileSystem& fs, const std::string& base,
                                    const std::string& directory) {
  const std::int64_t now = SecondsSince1970();
  for (std::int64_t number = now; number < now + kMostExportsPerSecond; ++number) {
    const std::string path = JoinPath(base, std::to_string(number));
    if (fs.Exists(path)) continue;
    const absl::Status status = fs.PublishDirectory(directory, path);
    if (absl::IsAlreadyExists(status)) continue;
    if (!status.ok()) return status;
    return path;
  }
  return base::AlreadyExists("the numbers from {} on are taken", now);
}

absl::StatusOr<std::string> WriteCheckAndPublish(storage::FileSystem& fs, const std::string& base,
                                                 const models::Model& model, ParameterStore& store,
                                                 std::int64_t global_step,
                                                 models::ExportFormat format,
                                                 const models::Batch& sample) {
  DIME_RETURN_IF_ERROR(fs.CreateDirectories(base));
  DIME_RETURN_IF_ERROR(DeleteUnfinished(fs, base));
  const UnfinishedDirectory unfinished(
      fs, JoinPath(base, fmt::format("{}{}", kUnfinishedExportPrefix, SecondsSince1970())));
  const std::string& path = unfinished.path();
  DIME_RETURN_IF_ERROR(WriteFiles(fs, path, model, store, global_step, format));
  DIME_RETURN_IF_ERROR(CheckScores(fs, path, model, store, sample));
  return Publish(fs, base, path);
}

}  // namespace

std::string ExportDirectory(const std::string& job_dir, const std::string& name) {
  return JoinPath(JoinPath(job_dir, kExportsDirectory), name);
}

absl::StatusOr<std::string> Export(storage::FileSystem& fs, const std::string& base,
                                   const models::Model& model, ParameterStore& store,
                                   std::int64_t global_step, models::ExportFormat format,
                                   const models::Batch& sample) {
  absl::StatusOr<std::string> path =
      WriteCheckAndPublish(fs, base, model, store, global_step, format, sample);
  if (path.ok()) return path;
  return base::Annotate(path.status(), fmt::format("cannot export the model to {}", base));
}

}  // namespace dime::worker
