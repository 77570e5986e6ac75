#include "worker/job_directory.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "models/description.h"
#include "ps/snapshot.h"
#include "runtime/base/check.h"
#include "runtime/base/checked_text.h"
#include "runtime/base/log.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/checkpoint_state.h"
#include "worker/checkpoint_loading.h"
#include "worker/job_lock.h"
#include "worker/own_checkpoints.h"

namespace dime::worker {

namespace {

using checkpoint::BundleReader;
using storage::JoinPath;

bool HasUnboundedTables(const models::Model& model) {
  return std::ranges::any_of(
      model.tables(), [](const ops::TableSpec& table) { return table.unbounded.has_value(); });
}

// Takes out of `names` all but the last `num_kept`, and those that these build on.
std::vector<std::string> TakeSuperfluous(std::size_t num_kept,
                                         const std::map<std::string, std::string>& bases,
                                         std::vector<std::string>* names) {
  if (names->size() <= num_kept) return {};
  std::set<std::string> kept(names->end() - static_cast<std::ptrdiff_t>(num_kept), names->end());
  for (std::vector<std::string> next(kept.begin(), kept.end()); !next.empty();) {
    const auto base = bases.find(next.back());
    next.pop_back();
    if (base != bases.end() && kept.insert(base->second).second) next.push_back(base->second);
  }
  std::vector<std::string> taken;
  std::ranges::remove_copy_if(*names, std::back_inserter(taken),
                              [&](const std::string& name) { return kept.contains(name); });
  std::erase_if(*names, [&](const std::string& name) { return !kept.contains(name); });
  return taken;
}

// A model with other learning rates is the same model; the change is logged.
void LogNewRates(const models::Estimator& before, const models::Estimator& now) {
  const auto log = [](std::string_view name, const ops::OptimizerSpec& old_one,
                      const ops::OptimizerSpec& new_one) {
    if (old_one.learning_rate == new_one.learning_rate && old_one.decay == new_one.decay) return;
    base::Log(base::Severity::kWarning,
              "{}: the learning rate was {:g} until here and is {:g} from here on{}", name,
              old_one.learning_rate, new_one.learning_rate,
              old_one.decay == new_one.decay ? "" : ", with another decay");
  };
  if (models::HasLinearPart(now.kind)) {
    log("linear_optimizer", before.linear_optimizer, now.linear_optimizer);
  }
  if (models::HasDnnPart(now.kind)) log("dnn_optimizer", before.dnn_optimizer, now.dnn_optimizer);
}

}  // namespace

JobDirectory::JobDirectory(std::string path, storage::FileSystem* fs, const models::Model* model,
                           const JobDirectoryOptions& options)
    : path_(std::move(path)), fs_(fs), model_(model), options_(options) {}

absl::StatusOr<std::unique_ptr<JobDirectory>> JobDirectory::Open(
    const std::string& path, const models::Model& model, std::optional<std::uint64_t> seed,
    const JobDirectoryOptions& options) {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(path));
  std::unique_ptr<JobDirectory> directory(new JobDirectory(path, fs, &model, options));
  // Nothing is written before it is clear that the directory is this job's.
  DIME_RETURN_IF_ERROR(directory->Lock());
  DIME_RETURN_IF_ERROR(directory->ListOwn());
  DIME_RETURN_IF_ERROR(directory->CheckDescription());
  DIME_RETURN_IF_ERROR(directory->CheckVariables());
  DIME_RETURN_IF_ERROR(directory->LearnBases());
  DIME_RETURN_IF_ERROR(directory->SettleSettings(seed));
  DIME_RETURN_IF_ERROR(directory->Prepare());
  return directory;
}

std::string JobDirectory::CheckpointPrefix(std::int64_t step) const {
  return JoinPath(path_, CheckpointName(step));
}

std::string JobDirectory::newest_checkpoint() const {
  return newest_step_.has_value() ? JoinPath(path_, checkpoints_.back()) : "";
}

absl::Status JobDirectory::Lock() {
  DIME_RETURN_IF_ERROR(fs_->CreateDirectories(path_));
  DIME_ASSIGN_OR_RETURN(lock_, LockJobDirectory(*fs_, path_));
  return absl::OkStatus();
}

absl::Status JobDirectory::ListOwn() {
  DIME_ASSIGN_OR_RETURN(FoundCheckpoints found, FindCheckpoints(*fs_, path_));
  for (const std::string& complaint : found.complaints) {
    base::Log(base::Severity::kWarning, "{}", complaint);
  }
  if (options_.strict && !found.complaints.empty() && !found.names.empty()) {
    return base::DataLoss(
        "with --strict it has to be certain which checkpoint is the newest: {}. `dime doctor {}` "
        "says what there is",
        fmt::join(found.complaints, "; "), path_);
  }
  checkpoints_ = std::move(found.names);
  own_ = std::move(found.own);
  return absl::OkStatus();
}

absl::Status JobDirectory::CheckDescription() const {
  if (checkpoints_.empty()) return absl::OkStatus();
  DIME_ASSIGN_OR_RETURN(const auto theirs, ReadJobModel(*fs_, path_));
  if (!theirs.has_value()) return absl::OkStatus();
  const std::vector<std::string> differences = models::DescribeDifference(
      model_->description(), *theirs, {.here = "asked for", .there = "in the directory"});
  if (!differences.empty()) return AnotherModel(path_, kModelPage, differences);
  LogNewRates(theirs->estimator, model_->description().estimator);
  return absl::OkStatus();
}

absl::Status JobDirectory::CheckVariables() const {
  for (auto name = checkpoints_.rbegin(); name != checkpoints_.rend(); ++name) {
    const auto bundle = BundleReader::Open(*fs_, JoinPath(path_, *name));
    if (IsDamage(bundle.status())) continue;  // Restore() says so.
    if (!bundle.ok()) return bundle.status();
    const std::vector<std::string> differences =
        ps::DescribeMismatch(model_->tables(), ps::SnapshotParts::kWeightsAndSlots, **bundle);
    return differences.empty() ? absl::OkStatus() : AnotherModel(path_, *name, differences);
  }
  return absl::OkStatus();
}

absl::Status JobDirectory::LearnBases() {
  if (!HasUnboundedTables(*model_)) return absl::OkStatus();
  for (const std::string& name : checkpoints_) {
    const absl::StatusOr<std::optional<std::string>> base = ReadBaseName(*fs_, path_, name);
    if (IsDamage(base.status())) continue;  // Restore() says so.
    if (!base.ok()) return base.status();
    if (base->has_value()) bases_[name] = **base;
  }
  return absl::OkStatus();
}

absl::Status JobDirectory::SettleSettings(std::optional<std::uint64_t> seed) {
  std::optional<JobSettings> before;
  if (!checkpoints_.empty()) {
    DIME_ASSIGN_OR_RETURN(before, ReadJobSettings(*fs_, path_));
  }
  if (!before.has_value()) {
    settings_ = {.seed = seed.value_or(settings_.seed),
                 .order = options_.order.value_or(settings_.order),
                 .train_batch_size = options_.train_batch_size,
                 .train_data = {},
                 .input_memory = options_.input_memory.value_or(settings_.input_memory)};
    return absl::OkStatus();
  }
  settings_ = *before;
  if (seed.value_or(settings_.seed) != settings_.seed) {
    return base::FailedPrecondition(
        "job directory {} was started with seed {}, not {}: go on without a seed or with its own, "
        "or use another job directory",
        path_, settings_.seed, *seed);
  }
  if (options_.order.value_or(settings_.order) != settings_.order) {
    return base::FailedPrecondition(
        "job directory {} was started with its data in the order '{}', not '{}': go on without an "
        "order or with its own, or use another job directory",
        path_, NameOf(settings_.order), NameOf(*options_.order));
  }
  settings_.input_memory = options_.input_memory.value_or(settings_.input_memory);
  if (before->input_memory != settings_.input_memory) {
    base::Log(base::Severity::kWarning,
              "--input-memory was {} bytes until here and is {} from here on: examples that do not "
              "fit into the smaller one come in another order from here on",
              before->input_memory, settings_.input_memory);
  }
  settings_.train_batch_size = options_.train_batch_size;
  if (before->train_batch_size > 0 && settings_.train_batch_size > 0 &&
      before->train_batch_size != settings_.train_batch_size) {
    base::Log(base::Severity::kWarning,
              "batches were of {} examples until here and are of {} from here on: the data are "
              "gone on with at {} times the number of steps taken",
              before->train_batch_size, settings_.train_batch_size, settings_.train_batch_size);
  }
  return absl::OkStatus();
}

absl::Status JobDirectory::Prepare() const {
  const std::string own_files = JoinPath(path_, kOwnFiles);
  DIME_RETURN_IF_ERROR(fs_->CreateDirectories(own_files));
  DIME_RETURN_IF_ERROR(DeleteLeftovers(path_));
  DIME_RETURN_IF_ERROR(DeleteLeftovers(own_files));
  DIME_RETURN_IF_ERROR(DeleteHalfBundles());
  const std::string page_name(storage::BaseName(kModelPage));
  for (const auto& [name, content] :
       models::FormatDescriptionFiles(model_->description(), page_name)) {
    DIME_RETURN_IF_ERROR(WriteIfChanged(*fs_, JoinPath(own_files, name),
                                        name == page_name ? base::WithChecksum(content) : content));
  }
  return WriteIfChanged(*fs_, JoinPath(path_, kSettingsPage), FormatJobSettings(settings_));
}

absl::Status JobDirectory::SetTrainData(const DataFacts& data) {
  const DataFacts before = std::exchange(settings_.train_data, data);
  if (before.num_records > 0 && before != data) {
    base::Log(base::Severity::kWarning,
              "the training data were {} records in {} bytes until here and are {} in {} from here "
              "on: training goes on with these; where that is not meant, use another job directory",
              before.num_records, before.size_bytes, data.num_records, data.size_bytes);
  }
  return WriteIfChanged(*fs_, JoinPath(path_, kSettingsPage), FormatJobSettings(settings_));
}

absl::Status JobDirectory::DeleteLeftovers(const std::string& directory) const {
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_->List(directory));
  for (const std::string& name : names) {
    if (!name.starts_with(storage::kTemporaryPrefix)) continue;
    DIME_RETURN_IF_ERROR(fs_->DeleteFile(JoinPath(directory, name)));
  }
  return absl::OkStatus();
}

absl::Status JobDirectory::DeleteHalfBundles() const {
  for (const std::string& name : own_) {
    // What is left has no index.
    if (std::ranges::count(checkpoints_, name) == 0) DeleteCheckpoint(name);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::int64_t>> JobDirectory::Restore(ps::Checkpointer& rows) {
  absl::Status first_damage;
  while (!checkpoints_.empty()) {
    const std::string& name = checkpoints_.back();
    const absl::StatusOr<std::int64_t> step = LoadCheckpoint(*fs_, path_, name, *model_, rows);
    if (step.ok()) {
      newest_step_ = *step;
      return newest_step_;
    }
    if (!IsDamage(step.status())) return step.status();
    if (options_.strict) {
      return base::DataLoss(
          "checkpoint {} is damaged, and with --strict none before it is taken: {}. `dime doctor "
          "{}` says what there is; without --strict the job goes on from the newest sound one",
          JoinPath(path_, name), base::MessageOf(step.status()), path_);
    }
    base::Log(base::Severity::kWarning, "checkpoint {} is damaged and passed over: {}",
              JoinPath(path_, name), base::MessageOf(step.status()));
    if (first_damage.ok()) first_damage = step.status();
    checkpoints_.pop_back();
  }
  if (first_damage.ok()) return std::optional<std::int64_t>();
  return base::DataLoss(
      "job directory {} has no sound checkpoint left; the newest: {}. "
      "To start over, use another job directory",
      path_, base::MessageOf(first_damage));
}

absl::Status JobDirectory::Save(ps::Checkpointer& rows) {
  DIME_RETURN_IF_ERROR(BeginSave(rows).status());
  return FinishSave();
}

absl::StatusOr<std::int64_t> JobDirectory::BeginSave(ps::Checkpointer& rows, SaveKind kind) {
  DIME_CHECK(!is_saving());
  const std::optional<std::int64_t> base = BaseOfNext(kind);
  // From the cut on journals begin anew, whether or not it becomes a checkpoint.
  const int num_before = std::exchange(num_in_chain_, 0);
  DIME_ASSIGN_OR_RETURN(const std::int64_t step, rows.Cut());
  if (newest_step_ == step) {
    rows.GiveUp();
    return step;
  }
  const std::string name = CheckpointName(step);
  if (const absl::Status started = StartWriting(rows, name, base); !started.ok()) {
    rows.GiveUp();
    return started;
  }
  saving_ = {.rows = &rows,
             .name = name,
             .step = step,
             .base = base,
             .num_in_chain = base.has_value() ? num_before + 1 : 1};
  return step;
}

std::optional<std::int64_t> JobDirectory::BaseOfNext(SaveKind kind) const {
  const bool may_build = kind == SaveKind::kMayBuildOn && num_in_chain_ > 0 &&
                         num_in_chain_ < options_.full_every && HasUnboundedTables(*model_);
  return may_build ? newest_step_ : std::nullopt;
}

absl::Status JobDirectory::StartWriting(ps::Checkpointer& rows, const std::string& name,
                                        std::optional<std::int64_t> base) {
  // Nobody writes them any more: a cut is made when the one before is over.
  for (const std::string& half : std::exchange(halves_, {})) DeleteCheckpoint(half);
  std::vector<std::string> names = checkpoints_;
  std::erase(names, name);
  names.push_back(name);
  // From here on this process may be killed anywhere, and the next one finds everything by this.
  DIME_RETURN_IF_ERROR(WriteOwnCheckpoints(*fs_, path_, names));
  DIME_RETURN_IF_ERROR(Unpublish(name));
  // A bundle of that name that is being replaced: its index must not stand beside new data.
  DIME_RETURN_IF_ERROR(checkpoint::DeleteBundle(*fs_, JoinPath(path_, name)));
  bases_.erase(name);
  return rows.StartWriting(JoinPath(path_, name), base);
}

// What is to be replaced, and is damaged or of another run: what `checkpoint` names has to be
// there.
absl::Status JobDirectory::Unpublish(const std::string& name) {
  std::vector<std::string> others = checkpoints_;
  std::erase(others, name);
  if (IsPublished(name)) {
    DIME_RETURN_IF_ERROR(
        others.empty() ? checkpoint::DeleteCheckpointState(*fs_, path_)
                       : checkpoint::WriteCheckpointState(*fs_, path_, {.all_prefixes = others}));
  }
  checkpoints_ = std::move(others);
  return absl::OkStatus();
}

bool JobDirectory::IsPublished(const std::string& name) const {
  const auto state = checkpoint::ReadCheckpointState(*fs_, path_);
  if (!state.ok()) return false;
  return std::ranges::any_of(state->all_prefixes, [&](const std::string& prefix) {
    return storage::BaseName(prefix) == name;
  });
}

absl::StatusOr<bool> JobDirectory::PollSave() {
  if (!is_saving()) return false;
  const absl::StatusOr<bool> written = saving_->rows->IsWritten();
  if (written.ok() && !*written) return false;
  DIME_RETURN_IF_ERROR(EndSave(written.status()));
  return true;
}

absl::Status JobDirectory::FinishSave() {
  return is_saving() ? EndSave(saving_->rows->AwaitWritten()) : absl::OkStatus();
}

void JobDirectory::GiveUpSave() {
  if (!is_saving()) return;
  saving_->rows->GiveUp();
  EndSave(base::Cancelled("given up")).IgnoreError();  // Which it is.
}

absl::Status JobDirectory::EndSave(const absl::Status& written) {
  const absl::Status status = written.ok() ? Publish() : written;
  if (!status.ok() && IsPublished(saving_->name)) {
    // `checkpoint` was replaced, and failed to be synced: this bundle stays, and those before it,
    // as nobody knows which of them is named after a crash.
    checkpoints_.push_back(saving_->name);
    if (saving_->base) bases_[saving_->name] = CheckpointName(*saving_->base);
  } else if (!status.ok()) {
    // Some of it may be there, or be still to come.
    DeleteCheckpoint(saving_->name);
    halves_.push_back(saving_->name);
  }
  saving_.reset();
  return status;
}

absl::Status JobDirectory::Publish() {
  checkpoint::CheckpointState state{.all_prefixes = checkpoints_};
  std::vector<std::string>& names = state.all_prefixes;
  std::erase(names, saving_->name);
  names.push_back(saving_->name);
  std::map<std::string, std::string> bases = bases_;
  if (saving_->base) bases[saving_->name] = CheckpointName(*saving_->base);
  const std::vector<std::string> dropped =
      TakeSuperfluous(static_cast<std::size_t>(std::max(1, options_.max_to_keep)), bases, &names);

  DIME_RETURN_IF_ERROR(checkpoint::WriteCheckpointState(*fs_, path_, state));
  checkpoints_ = std::move(names);
  bases_ = std::move(bases);
  newest_step_ = saving_->step;
  num_in_chain_ = saving_->num_in_chain;
  // What builds on others goes before these: whatever is left, if this is where it ends, is whole.
  for (auto old = dropped.rbegin(); old != dropped.rend(); ++old) {
    DeleteCheckpoint(*old);
    bases_.erase(*old);
  }
  return absl::OkStatus();
}

void JobDirectory::DeleteCheckpoint(const std::string& name) const {
  const std::string prefix = JoinPath(path_, name);
  absl::Status status = checkpoint::DeleteBundle(*fs_, prefix);
  // TensorFlow's own checkpoints have a graph beside them.
  if (status.ok()) status = fs_->DeleteFile(prefix + ".meta");
  if (!status.ok()) {
    base::Log(base::Severity::kWarning, "old checkpoint {} stays: {}", prefix,
              base::MessageOf(status));
  }
}

}  // namespace dime::worker
