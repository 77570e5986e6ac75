#include "worker/job_examination.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "models/export/saved_model.h"
#include "models/model.h"
#include "models/predictor.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/checkpoint_state.h"
#include "runtime/records/tfrecord.h"
#include "worker/checkpoint_loading.h"
#include "worker/exporter.h"
#include "worker/job_end.h"
#include "worker/job_lock.h"
#include "worker/job_pages.h"
#include "worker/leases/lease_file.h"
#include "worker/own_checkpoints.h"

namespace dime::worker {
namespace {

using storage::JoinPath;

constexpr std::string_view kEventsPrefix = "events.out.tfevents.";
constexpr std::string_view kEvaluationPrefix = "eval_";
constexpr std::uint64_t kMostEventBytes = std::uint64_t{1} << 32;

class Examiner {
 public:
  Examiner(storage::FileSystem& fs, const std::string& job_dir) : fs_(fs), job_dir_(job_dir) {}

  absl::StatusOr<JobExamination> Run() {
    DIME_RETURN_IF_ERROR(fs_.List(job_dir_).status());
    DIME_ASSIGN_OR_RETURN(result_.is_running, IsJobRunning(fs_, job_dir_));
    DIME_RETURN_IF_ERROR(ExamineModel());
    DIME_RETURN_IF_ERROR(ExamineCheckpoints());
    DIME_RETURN_IF_ERROR(ExaminePages());
    DIME_RETURN_IF_ERROR(ExamineFiles(/*directory=*/""));
    DIME_RETURN_IF_ERROR(ExamineFiles(kOwnFiles));
    DIME_RETURN_IF_ERROR(ExamineEvaluations());
    DIME_RETURN_IF_ERROR(ExamineExports());
    return std::move(result_);
  }

 private:
  void Add(std::string name, Condition condition, std::string_view detail) {
    result_.findings.push_back({std::move(name), condition, std::string(detail)});
  }
  // What is damaged, or went away. An error: it is out of reach.
  absl::Status AddDamage(const std::string& name, const absl::Status& status) {
    if (!IsDamage(status) && !absl::IsFailedPrecondition(status)) return status;
    Add(name, Condition::kDamaged, base::MessageOf(status));
    return absl::OkStatus();
  }
  void Obstruct(const absl::Status& status) {
    if (result_.obstacle.empty()) result_.obstacle = base::MessageOf(status);
  }
  // What nobody has finished yet, or ever will.
  void AddUnfinished(const std::string& name) {
    Add(name, Condition::kLeftover,
        result_.is_running ? "is being written"
                           : "of a run that was killed; the next one deletes it");
  }

  absl::Status ExamineModel();
  absl::Status ExamineCheckpoints();
  absl::StatusOr<bool> IsStillWanted(const std::string& name) const;
  absl::Status ExamineCheckpoint(const std::string& name, bool is_newest);
  absl::StatusOr<std::string> BaseToName(const std::string& name) const;
  absl::Status ExamineOtherBundles(const FoundCheckpoints& found);
  absl::Status ExaminePages();
  absl::Status ExamineFiles(const std::string& directory);
  absl::Status ExamineEvents(const std::string& name);
  absl::Status ExamineEvaluations();
  absl::Status ExamineExports();
  absl::Status ExamineExport(const std::string& name);
  absl::StatusOr<std::vector<std::string>> ListIfThere(const std::string& directory) const;
  [[nodiscard]] std::string PathOf(const std::string& name) const {
    return JoinPath(job_dir_, name);
  }

  storage::FileSystem& fs_;
  const std::string& job_dir_;
  std::optional<models::Model> model_;  // None: nobody says which one it is,
  absl::Status model_problem_;          // as this is the matter with its page.
  std::set<std::string> sound_;         // Checkpoints that have been read to their ends.
  JobExamination result_;
};

absl::Status Examiner::ExamineModel() {
  const auto description = ReadJobModel(fs_, job_dir_);
  if (!description.ok()) {
    model_problem_ = description.status();
    return AddDamage(kModelPage, description.status());
  }
  if (!description->has_value()) return absl::OkStatus();
  model_.emplace(**description);
  Add(kModelPage, Condition::kSound,
      fmt::format("a model of {} variables", model_->tables().size()));
  // They were read with the page, which knows their sizes and fingerprints.
  for (const models::FeatureColumn& column : model_->description().columns) {
    const auto* const vocabulary = std::get_if<models::VocabularyColumn>(&column.kind);
    if (vocabulary == nullptr || vocabulary->file.empty()) continue;
    Add(JoinPath(kOwnFiles, std::string(storage::BaseName(vocabulary->file))), Condition::kSound,
        fmt::format("a vocabulary of {} entries", vocabulary->vocabulary.size()));
  }
  return absl::OkStatus();
}

absl::Status Examiner::ExamineCheckpoints() {
  // A running job may replace them all between two looks.
  constexpr int kMostLooks = 10;
  const JobExamination before = result_;
  FoundCheckpoints found;
  for (int look = 1; look <= kMostLooks; ++look) {
    result_ = before;
    sound_.clear();
    DIME_ASSIGN_OR_RETURN(found, FindCheckpoints(fs_, job_dir_));
    DIME_RETURN_IF_ERROR(ExamineOtherBundles(found));
    for (const std::string& name : found.names) {
      DIME_RETURN_IF_ERROR(ExamineCheckpoint(name, name == found.names.back()));
    }
    const bool is_good = found.complaints.empty() && (result_.resume_step || found.names.empty());
    if (is_good || !result_.is_running) break;
  }
  for (const std::string& complaint : found.complaints) {
    Add("checkpoint", Condition::kDamaged, complaint);
  }
  if (found.complaints.empty() && !found.names.empty()) {
    Add("checkpoint", Condition::kSound, fmt::format("names {} as the newest", found.names.back()));
  }
  // Where there is no checkpoint a job writes the page anew.
  if (!found.names.empty() && !model_problem_.ok()) Obstruct(model_problem_);
  if (!result_.resume_step && !found.names.empty()) {
    Obstruct(base::DataLoss(
        "no checkpoint is sound; bring one back, or start over in another job directory"));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Examiner::IsStillWanted(const std::string& name) const {
  DIME_ASSIGN_OR_RETURN(const FoundCheckpoints found, FindCheckpoints(fs_, job_dir_));
  return std::ranges::find(found.names, name) != found.names.end();
}

absl::Status Examiner::ExamineCheckpoint(const std::string& name, bool is_newest) {
  const auto step = VerifyCheckpoint(fs_, job_dir_, name, model_ ? &*model_ : nullptr, &sound_);
  if (step.ok()) {
    result_.resume_step = *step;
    DIME_ASSIGN_OR_RETURN(const auto base, BaseToName(name));
    Add(name, Condition::kSound,
        base.empty() ? fmt::format("step {}", *step)
                     : fmt::format("step {}, builds on {}", *step, base));
    return absl::OkStatus();
  }
  DIME_ASSIGN_OR_RETURN(const bool is_wanted, IsStillWanted(name));
  if (!is_wanted) return absl::OkStatus();
  if (is_newest && absl::IsFailedPrecondition(step.status())) Obstruct(step.status());
  return AddDamage(name, step.status());
}

// "": there is none, or the bundle has gone since it was read.
absl::StatusOr<std::string> Examiner::BaseToName(const std::string& name) const {
  const auto base = ReadBaseName(fs_, job_dir_, name);
  if (IsDamage(base.status())) return std::string();
  DIME_RETURN_IF_ERROR(base.status());
  return base->value_or("");
}

absl::Status Examiner::ExamineOtherBundles(const FoundCheckpoints& found) {
  const auto is_among = [](const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
  };
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> bundles, ListCheckpoints(fs_, job_dir_));
  for (const std::string& name : bundles) {
    if (is_among(found.names, name) || is_among(found.own, name)) continue;
    DIME_ASSIGN_OR_RETURN(const bool is_wanted, IsStillWanted(name));
    if (is_wanted) continue;  // Since a moment ago.
    Add(name, Condition::kNote, "not this job's: it stays, and is not gone on from");
  }
  // Of these no index is there.
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> files, fs_.List(job_dir_));
  for (const std::string& name : found.own) {
    const bool has_data = std::ranges::any_of(
        files, [&](const std::string& file) { return file.starts_with(name + ".data-"); });
    if (has_data && !is_among(found.names, name)) AddUnfinished(name);
  }
  return absl::OkStatus();
}

absl::Status Examiner::ExaminePages() {
  const auto settings = ReadJobSettings(fs_, job_dir_);
  if (!settings.ok()) {
    if (result_.resume_step) Obstruct(settings.status());
    DIME_RETURN_IF_ERROR(AddDamage(kSettingsPage, settings.status()));
  } else if (settings->has_value()) {
    Add(kSettingsPage, Condition::kSound, fmt::format("seed {}", (*settings)->seed));
  }
  const auto done = ReadDoneBatches(fs_, job_dir_, result_.resume_step.value_or(0));
  if (!done.ok()) {
    if (result_.resume_step.value_or(0) > 0) {
      Obstruct(base::Annotate(done.status(), "no job goes on, unless in sync"));
    }
    DIME_RETURN_IF_ERROR(AddDamage(kLeasesPage, done.status()));
  } else if (fs_.Exists(PathOf(kLeasesPage))) {
    Add(kLeasesPage, Condition::kSound, "which batches checkpoints have");
  }
  if (const std::optional<FinishedJob> end = ReadJobEnd(fs_, job_dir_)) {
    Add(kEndPage, Condition::kSound, fmt::format("the job has ended at step {}", end->global_step));
  } else if (fs_.Exists(PathOf(kEndPage))) {
    Add(kEndPage, Condition::kDamaged,
        "it cannot be understood: an evaluator is not told that the job has ended; delete it");
  }
  return absl::OkStatus();
}

absl::Status Examiner::ExamineFiles(const std::string& directory) {
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListIfThere(directory));
  for (const std::string& file : files) {
    const std::string name = directory.empty() ? file : JoinPath(directory, file);
    if (file.starts_with(storage::kTemporaryPrefix)) AddUnfinished(name);
    if (file.starts_with(kEventsPrefix)) DIME_RETURN_IF_ERROR(ExamineEvents(name));
  }
  return absl::OkStatus();
}

absl::Status Examiner::ExamineEvents(const std::string& name) {
  const auto file = fs_.ReadFile(PathOf(name), kMostEventBytes);
  if (!file.ok()) return AddDamage(name, file.status());
  std::int64_t num_records = 0;
  for (std::string_view rest = *file; !rest.empty(); ++num_records) {
    const std::size_t offset = file->size() - rest.size();
    const auto size = records::FramedSize(rest);
    absl::Status status = size.status();
    if (status.ok() && (!size->has_value() || **size > rest.size())) {
      Add(name, Condition::kNote,
          fmt::format("{} events; the last one is cut at byte {}, as a killed run leaves it",
                      num_records, offset));
      return absl::OkStatus();
    }
    if (status.ok()) status = records::FramedData(rest.substr(0, **size)).status();
    if (!status.ok()) {
      return AddDamage(
          name, base::Annotate(status, fmt::format("event {}, at byte {}", num_records, offset)));
    }
    rest.remove_prefix(**size);
  }
  Add(name, Condition::kSound, fmt::format("{} events", num_records));
  return absl::OkStatus();
}

absl::Status Examiner::ExamineEvaluations() {
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.List(job_dir_));
  for (const std::string& name : names) {
    if (name.starts_with(kEvaluationPrefix)) DIME_RETURN_IF_ERROR(ExamineFiles(name));
  }
  return absl::OkStatus();
}

absl::Status Examiner::ExamineExports() {
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> exports, ListIfThere(kExportsDirectory));
  for (const std::string& name : exports) {
    const std::string base = JoinPath(kExportsDirectory, name);
    DIME_ASSIGN_OR_RETURN(const std::vector<std::string> versions, ListIfThere(base));
    for (const std::string& version : versions) {
      DIME_RETURN_IF_ERROR(ExamineExport(JoinPath(base, version)));
    }
  }
  return absl::OkStatus();
}

absl::Status Examiner::ExamineExport(const std::string& name) {
  if (storage::BaseName(name).starts_with(kUnfinishedExportPrefix)) {
    AddUnfinished(name);
    return absl::OkStatus();
  }
  const auto examine = [&]() -> absl::Status {
    DIME_ASSIGN_OR_RETURN(const std::string graph, fs_.ReadFile(PathOf(name) + "/saved_model.pb"));
    DIME_RETURN_IF_ERROR(models::ReadSignatures(graph).status());
    const std::string page = JoinPath(PathOf(name), models::kExportDescriptionFile);
    DIME_ASSIGN_OR_RETURN(const std::string text, fs_.ReadFile(page, models::kMaxDescriptionBytes));
    DIME_RETURN_IF_ERROR(models::ParseDescription(text, page, /*variant=*/"").status());
    DIME_ASSIGN_OR_RETURN(const auto variables, checkpoint::BundleReader::Open(
                                                    fs_, PathOf(name) + "/variables/variables"));
    return variables->Verify();
  };
  const absl::Status status = examine();
  if (!status.ok()) return AddDamage(name, status);
  Add(name, Condition::kSound, "an export");
  return absl::OkStatus();
}

// What is no directory, or not there, has no names.
absl::StatusOr<std::vector<std::string>> Examiner::ListIfThere(const std::string& directory) const {
  auto names = fs_.List(PathOf(directory));
  if (absl::IsNotFound(names.status()) || absl::IsInvalidArgument(names.status())) {
    return std::vector<std::string>();
  }
  return names;
}

}  // namespace

std::string_view NameOf(Condition condition) {
  switch (condition) {
    case Condition::kSound:
      return "sound";
    case Condition::kNote:
      return "note";
    case Condition::kLeftover:
      return "leftover";
    case Condition::kDamaged:
      return "DAMAGED";
  }
  return "";
}

bool JobExamination::is_sound() const {
  return obstacle.empty() && std::ranges::none_of(findings, [](const Finding& finding) {
           return finding.condition == Condition::kDamaged;
         });
}

absl::StatusOr<JobExamination> ExamineJob(storage::FileSystem& fs, const std::string& job_dir) {
  return Examiner(fs, job_dir).Run();
}

}  // namespace dime::worker
