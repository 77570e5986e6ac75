#include "worker/job_directory.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "models/description.h"
#include "ps/snapshot.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/checkpoint_state.h"
#include "worker/checkpoint_loading.h"
#include "worker/own_checkpoints.h"

namespace dime::worker {

namespace {

using checkpoint::BundleReader;
using storage::JoinPath;

constexpr char kOwnFiles[] = "dime";
constexpr char kModelFile[] = "dime/model.yaml";
constexpr char kSettingsFile[] = "dime/job.yaml";

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// A small file's text; no value when it is not there.
absl::StatusOr<std::optional<std::string>> ReadIfThere(storage::FileSystem& fs,
                                                       const std::string& path) {
  absl::StatusOr<std::string> text = fs.ReadFile(path, models::kMaxDescriptionBytes);
  if (absl::IsNotFound(text.status())) return std::optional<std::string>();
  if (!text.ok()) return text.status();
  return std::optional<std::string>(*std::move(text));
}

constexpr std::string_view NameOf(Order order) {
  return order == Order::kAsRead ? "as-read" : "shuffled";
}

absl::StatusOr<JobSettings> ParseSettings(const std::string& text, const std::string& path) {
  JobSettings settings;
  try {
    const YAML::Node page = YAML::Load(text);
    settings.seed = page["seed"].as<std::uint64_t>();
    if (page["order"]) {
      const auto order = page["order"].as<std::string>();
      if (order != NameOf(Order::kAsRead) && order != NameOf(Order::kShuffled)) {
        return base::DataLoss("{}: there is no order '{}'", path, order);
      }
      if (order == NameOf(Order::kAsRead)) settings.order = Order::kAsRead;
    }
    if (page["train_batch_size"]) {
      settings.train_batch_size = page["train_batch_size"].as<std::int64_t>();
    }
    if (const YAML::Node data = page["train_data"]) {
      settings.train_data = {.num_records = data["records"].as<std::int64_t>(),
                             .size_bytes = data["bytes"].as<std::uint64_t>()};
    }
    if (page["input_memory"]) settings.input_memory = page["input_memory"].as<std::uint64_t>();
  } catch (const YAML::Exception& error) {
    return base::DataLoss(
        "cannot read the job's seed and order from {}: {}; delete the file to "
        "choose them anew",
        path, error.what());
  }
  return settings;
}

std::string FormatSettings(const JobSettings& settings) {
  YAML::Emitter yaml;
  yaml << YAML::Comment("What this job's bytes depend on besides its model.") << YAML::BeginMap
       << YAML::Key << "seed" << YAML::Value << settings.seed << YAML::Key << "order" << YAML::Value
       << std::string(NameOf(settings.order)) << YAML::Key << "train_batch_size" << YAML::Value
       << settings.train_batch_size << YAML::Key << "input_memory" << YAML::Value
       << settings.input_memory;
  if (const DataFacts& data = settings.train_data; data.num_records > 0) {
    yaml << YAML::Key << "train_data" << YAML::Value << YAML::Flow << YAML::BeginMap << YAML::Key
         << "records" << YAML::Value << data.num_records << YAML::Key << "bytes" << YAML::Value
         << data.size_bytes << YAML::EndMap;
  }
  yaml << YAML::EndMap;
  return std::string(yaml.c_str()) + "\n";
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
  DIME_RETURN_IF_ERROR(directory->FindCheckpoints());
  DIME_RETURN_IF_ERROR(directory->CheckDescription());
  DIME_RETURN_IF_ERROR(directory->CheckVariables());
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
  auto lock = fs_->LockDirectory(path_);
  if (absl::IsAborted(lock.status())) {
    return base::Aborted(
        "job directory {} is in use by another job: wait for its end, or use another directory",
        path_);
  }
  DIME_ASSIGN_OR_RETURN(lock_, std::move(lock));
  return absl::OkStatus();
}

absl::Status JobDirectory::FindCheckpoints() {
  DIME_ASSIGN_OR_RETURN(std::vector<std::string> bundles, ListCheckpoints(*fs_, path_));
  const auto state = checkpoint::ReadCheckpointState(*fs_, path_);
  if (!state.ok() && !absl::IsDataLoss(state.status())) return state.status();
  bool any_is_there = false;
  if (state.ok()) {
    for (const std::string& prefix : state->all_prefixes) {
      // A job's checkpoints lie in its directory. Absolute prefixes, which TensorFlow may write, go
      // wrong when a directory moves; and no prefix may lead retention to somebody else's files.
      checkpoints_.emplace_back(storage::BaseName(prefix));
      any_is_there |= Contains(bundles, checkpoints_.back());
    }
  }
  if (any_is_there || bundles.empty()) return AdoptUnnamed(bundles);
  base::Log(base::Severity::kWarning, "looking for checkpoints by their names: {}",
            !state.ok()            ? base::MessageOf(state.status())
            : checkpoints_.empty() ? fmt::format("{} has no `checkpoint` file", path_)
                                   : fmt::format("{}/checkpoint names none that is there", path_));
  checkpoints_ = std::move(bundles);
  return absl::OkStatus();
}

absl::Status JobDirectory::AdoptUnnamed(const std::vector<std::string>& bundles) {
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> own, ReadOwnCheckpoints(*fs_, path_));
  std::vector<std::string> unnamed;
  for (const std::string& name : bundles) {
    if (Contains(own, name) && !Contains(checkpoints_, name)) unnamed.push_back(name);
  }
  // Whatever their steps: `checkpoint` has the last word on which one is to be gone on from.
  checkpoints_.insert(checkpoints_.begin(), unnamed.begin(), unnamed.end());
  return absl::OkStatus();
}

absl::Status JobDirectory::CheckDescription() const {
  if (checkpoints_.empty()) return absl::OkStatus();
  const std::string path = JoinPath(path_, kModelFile);
  DIME_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadIfThere(*fs_, path));
  if (!text.has_value()) return absl::OkStatus();
  const auto theirs = models::ParseDescription(*text, path, /*variant=*/"");
  if (!theirs.ok()) {
    return base::DataLoss("cannot read the model that job directory {} belongs to: {}", path_,
                          base::MessageOf(theirs.status()));
  }
  const std::vector<std::string> differences = models::DescribeDifference(
      model_->description(), *theirs, {.here = "asked for", .there = "in the directory"});
  if (!differences.empty()) return AnotherModel(path_, kModelFile, differences);
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

absl::Status JobDirectory::SettleSettings(std::optional<std::uint64_t> seed) {
  const std::string path = JoinPath(path_, kSettingsFile);
  DIME_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadIfThere(*fs_, path));
  if (!text.has_value() || checkpoints_.empty()) {
    settings_ = {.seed = seed.value_or(settings_.seed),
                 .order = options_.order.value_or(settings_.order),
                 .train_batch_size = options_.train_batch_size,
                 .train_data = {},
                 .input_memory = options_.input_memory.value_or(settings_.input_memory)};
    return absl::OkStatus();
  }
  DIME_ASSIGN_OR_RETURN(settings_, ParseSettings(*text, path));
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
  const std::uint64_t memory_before =
      std::exchange(settings_.input_memory, options_.input_memory.value_or(settings_.input_memory));
  if (memory_before != settings_.input_memory) {
    base::Log(base::Severity::kWarning,
              "--input-memory was {} bytes until here and is {} from here on: examples that do not "
              "fit into the smaller one come in another order from here on",
              memory_before, settings_.input_memory);
  }
  const std::int64_t before = std::exchange(settings_.train_batch_size, options_.train_batch_size);
  if (before > 0 && settings_.train_batch_size > 0 && before != settings_.train_batch_size) {
    base::Log(base::Severity::kWarning,
              "batches were of {} examples until here and are of {} from here on: the data are "
              "gone on with at {} times the number of steps taken",
              before, settings_.train_batch_size, settings_.train_batch_size);
  }
  return absl::OkStatus();
}

absl::Status JobDirectory::Prepare() const {
  const std::string own_files = JoinPath(path_, kOwnFiles);
  DIME_RETURN_IF_ERROR(fs_->CreateDirectories(own_files));
  DIME_RETURN_IF_ERROR(DeleteLeftovers(path_));
  DIME_RETURN_IF_ERROR(DeleteLeftovers(own_files));
  DIME_RETURN_IF_ERROR(DeleteHalfBundles());
  const std::string page_name(storage::BaseName(kModelFile));
  for (const auto& [name, content] :
       models::FormatDescriptionFiles(model_->description(), page_name)) {
    DIME_RETURN_IF_ERROR(WriteIfChanged(JoinPath(kOwnFiles, name), content));
  }
  return WriteIfChanged(kSettingsFile, FormatSettings(settings_));
}

absl::Status JobDirectory::WriteIfChanged(const std::string& name,
                                          const std::string& contents) const {
  const std::string path = JoinPath(path_, name);
  DIME_ASSIGN_OR_RETURN(const std::optional<std::string> present, ReadIfThere(*fs_, path));
  return present == contents ? absl::OkStatus() : fs_->WriteAtomically(path, contents);
}

absl::Status JobDirectory::SetTrainData(const DataFacts& data) {
  const DataFacts before = std::exchange(settings_.train_data, data);
  if (before.num_records > 0 && before != data) {
    base::Log(base::Severity::kWarning,
              "the training data were {} records in {} bytes until here and are {} in {} from here "
              "on: training goes on with these; where that is not meant, use another job directory",
              before.num_records, before.size_bytes, data.num_records, data.size_bytes);
  }
  return WriteIfChanged(kSettingsFile, FormatSettings(settings_));
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
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> own, ReadOwnCheckpoints(*fs_, path_));
  for (const std::string& name : own) {
    if (!Contains(checkpoints_, name)) DeleteCheckpoint(name);  // What is left has no index.
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

absl::StatusOr<std::int64_t> JobDirectory::BeginSave(ps::Checkpointer& rows) {
  DIME_CHECK(!is_saving());
  DIME_ASSIGN_OR_RETURN(const std::int64_t step, rows.Cut());
  if (newest_step_ == step) {
    rows.GiveUp();
    return step;
  }
  const std::string name = CheckpointName(step);
  if (const absl::Status started = StartWriting(rows, name); !started.ok()) {
    rows.GiveUp();
    return started;
  }
  saving_ = {.rows = &rows, .name = name, .step = step};
  return step;
}

absl::Status JobDirectory::StartWriting(ps::Checkpointer& rows, const std::string& name) {
  // Nobody writes them any more: a cut is made when the one before is over.
  for (const std::string& half : std::exchange(halves_, {})) DeleteCheckpoint(half);
  std::vector<std::string> names = checkpoints_;
  std::erase(names, name);
  names.push_back(name);
  // From here on this process may be killed anywhere, and the next one finds everything by this.
  DIME_RETURN_IF_ERROR(WriteOwnCheckpoints(*fs_, path_, names));
  // A bundle of that name that is being replaced: its index must not stand beside new data.
  DIME_RETURN_IF_ERROR(checkpoint::DeleteBundle(*fs_, JoinPath(path_, name)));
  return rows.StartWriting(JoinPath(path_, name));
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

absl::Status JobDirectory::EndSave(const absl::Status& written) {
  const absl::Status status = written.ok() ? Publish() : written;
  if (!status.ok()) {
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
  const std::size_t num_kept = static_cast<std::size_t>(std::max(1, options_.max_to_keep));
  const std::size_t num_dropped = names.size() > num_kept ? names.size() - num_kept : 0;
  const std::vector<std::string> dropped(names.begin(), names.begin() + num_dropped);
  names.erase(names.begin(), names.begin() + num_dropped);

  DIME_RETURN_IF_ERROR(checkpoint::WriteCheckpointState(*fs_, path_, state));
  checkpoints_ = std::move(names);
  newest_step_ = saving_->step;
  for (const std::string& old : dropped) DeleteCheckpoint(old);
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
