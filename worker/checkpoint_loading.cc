#include "worker/checkpoint_loading.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "ps/checkpoint_chain.h"
#include "ps/snapshot.h"
#include "runtime/checkpoint/bundle.h"

namespace dime::worker {
namespace {

constexpr std::size_t kMostLinesShown = 10;

// The lines of a message, each on its own and indented; the first few when there are many.
std::string Listing(const std::vector<std::string>& lines) {
  std::string text;
  for (std::size_t i = 0; i < std::min(lines.size(), kMostLinesShown); ++i) {
    text += "\n  " + lines[i];
  }
  if (lines.size() > kMostLinesShown) {
    text += fmt::format("\n  and {} more", lines.size() - kMostLinesShown);
  }
  return text;
}

// A bundle with a model's variables.
absl::StatusOr<std::unique_ptr<checkpoint::BundleReader>> OpenCheckpoint(
    storage::FileSystem& fs, const std::string& directory, const std::string& prefix,
    const models::Model& model) {
  DIME_ASSIGN_OR_RETURN(auto bundle, checkpoint::BundleReader::Open(fs, prefix));
  const std::vector<std::string> differences =
      ps::DescribeMismatch(model.tables(), ps::SnapshotParts::kWeightsAndSlots, *bundle);
  if (!differences.empty()) return AnotherModel(directory, prefix, differences);
  return bundle;
}

absl::StatusOr<std::optional<std::string>> BaseNameOf(checkpoint::BundleReader& bundle,
                                                      const std::string& name) {
  DIME_ASSIGN_OR_RETURN(const std::optional<std::int64_t> step, ps::BaseStepOf(bundle));
  if (!step.has_value()) return std::optional<std::string>();
  DIME_ASSIGN_OR_RETURN(std::string base, ps::BasePrefix(name, *step));
  return std::optional(std::move(base));
}

absl::StatusOr<std::int64_t> CheckStep(std::int64_t step, const std::string& prefix) {
  if (step < 0) return base::DataLoss("{}: global_step is {}", prefix, step);
  return step;
}

}  // namespace

absl::StatusOr<std::int64_t> LoadCheckpoint(storage::FileSystem& fs, const std::string& directory,
                                            const std::string& name, const models::Model& model,
                                            ps::Checkpointer& rows) {
  const std::string prefix = storage::JoinPath(directory, name);
  DIME_RETURN_IF_ERROR(OpenCheckpoint(fs, directory, prefix, model).status());
  DIME_ASSIGN_OR_RETURN(const std::int64_t step, rows.Load(prefix));
  return CheckStep(step, prefix);
}

absl::StatusOr<std::int64_t> VerifyCheckpoint(storage::FileSystem& fs, const std::string& directory,
                                              const std::string& name, const models::Model* model,
                                              std::set<std::string>* sound) {
  const std::string prefix = storage::JoinPath(directory, name);
  DIME_ASSIGN_OR_RETURN(const auto bundle, model == nullptr
                                               ? checkpoint::BundleReader::Open(fs, prefix)
                                               : OpenCheckpoint(fs, directory, prefix, *model));
  if (!sound->contains(name)) DIME_RETURN_IF_ERROR(bundle->Verify());
  DIME_ASSIGN_OR_RETURN(const std::int64_t step, bundle->ReadInt64("global_step"));
  DIME_RETURN_IF_ERROR(CheckStep(step, prefix).status());
  DIME_ASSIGN_OR_RETURN(const std::optional<std::string> base, BaseNameOf(*bundle, name));
  // Its checks tell that steps go down from one to the next.
  DIME_RETURN_IF_ERROR(ps::CheckBase(*bundle));
  if (base.has_value() && !sound->contains(*base)) {
    const auto verified = VerifyCheckpoint(fs, directory, *base, model, sound);
    if (IsDamage(verified.status())) {
      return base::DataLoss("{} builds on {}, which is damaged: {}", prefix, *base,
                            base::MessageOf(verified.status()));
    }
    DIME_RETURN_IF_ERROR(verified.status());
  }
  sound->insert(name);
  return step;
}

absl::StatusOr<std::optional<std::string>> ReadBaseName(storage::FileSystem& fs,
                                                        const std::string& directory,
                                                        const std::string& name) {
  DIME_ASSIGN_OR_RETURN(const auto bundle,
                        checkpoint::BundleReader::Open(fs, storage::JoinPath(directory, name)));
  return BaseNameOf(*bundle, name);
}

bool IsDamage(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsNotFound(status) || absl::IsInvalidArgument(status);
}

absl::Status AnotherModel(const std::string& directory, std::string_view seen_in,
                          const std::vector<std::string>& differences) {
  return base::FailedPrecondition(
      "job directory {} belongs to another model, as {} shows:{}\n"
      "Use another job directory, or the model that this one was made with",
      directory, seen_in, Listing(differences));
}

}  // namespace dime::worker
