#include "worker/training_job.h"

#include <algorithm>
#include <memory>
#include <string_view>

#include "models/batch.h"
#include "models/model.h"
#include "runtime/base/log.h"
#include "runtime/base/thread_pool.h"
#include "runtime/storage/file_system.h"
#include "worker/background_dataset.h"
#include "worker/evaluator.h"
#include "worker/exporter.h"
#include "worker/input/batch_source.h"
#include "worker/input/dataset.h"
#include "worker/input/prefetcher.h"
#include "worker/input/replica_batches.h"
#include "worker/job_directory.h"
#include "worker/job_store.h"
#include "worker/phase_clock.h"
#include "worker/summaries.h"
#include "worker/train_loop.h"

namespace dime::worker {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPrefetchDepth = 8;
constexpr std::int64_t kExportSampleSize = 100;
// The training set's examples are in memory, too; metrics do not depend on where examples are.
constexpr std::uint64_t kEvalPartOfMemory = 4;
constexpr std::chrono::milliseconds kProgressInterval{100};
constexpr std::chrono::milliseconds kPollInterval{20};  // For a checkpoint that is being written.

absl::Status CheckIsDirectoryName(std::string_view what, std::string_view name) {
  constexpr std::string_view kNotInNames("/\0", 2);
  if (name != "." && name != ".." && name.find_first_of(kNotInNames) == name.npos) {
    return absl::OkStatus();
  }
  return base::InvalidArgument("{} '{}' cannot be a directory's name", what, name);
}

absl::Status CheckAtLeast(std::string_view what, std::int64_t value, std::int64_t least) {
  if (value >= least) return absl::OkStatus();
  return base::InvalidArgument("{} is {}; it must be at least {}", what, value, least);
}

// A file that is missing is found out now, not when it is needed at the end of training.
absl::Status CheckFilesExist(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(pattern));
    DIME_ASSIGN_OR_RETURN(const std::vector<std::string> paths, fs->Glob(pattern));
    if (paths.empty()) return base::NotFound("no evaluation file matches '{}'", pattern);
    for (const std::string& path : paths) DIME_RETURN_IF_ERROR(fs->Stat(path).status());
  }
  return absl::OkStatus();
}

// Says when it is time to report, and how training has gone since the last time.
class ProgressMeter {
 public:
  ProgressMeter(std::int64_t first_step, std::int64_t last_step)
      : progress_{.step = first_step, .first_step = first_step, .last_step = last_step},
        last_time_(Clock::now()) {}

  // Null when it is not time yet.
  const Progress* AfterStep(const TrainLoop& loop, Clock::time_point now) {
    num_examples_ += loop.num_examples();
    if (now < last_time_ + kProgressInterval) return nullptr;
    const double seconds = std::chrono::duration<double>(now - last_time_).count();
    progress_.steps_per_second = static_cast<double>(loop.step() - progress_.step) / seconds;
    progress_.examples_per_second = static_cast<double>(num_examples_) / seconds;
    progress_.step = loop.step();
    progress_.loss = loop.loss();
    num_examples_ = 0;
    last_time_ = now;
    return &progress_;
  }

 private:
  Progress progress_;
  std::int64_t num_examples_ = 0;
  Clock::time_point last_time_;
};

class TrainingJob {
 public:
  TrainingJob(const models::ModelDescription& description, const TrainingOptions& options,
              TrainingObserver& observer, std::stop_token stop);

  absl::StatusOr<TrainingResult> Run();

 private:
  // The phases, in their order. A phase that is asked to stop sets result_.interrupted.
  absl::Status Open();
  absl::Status ReadInput();
  absl::Status Restore();
  absl::Status Train();
  absl::Status Evaluate();
  absl::Status ExportModel();

  absl::Status TakeSteps(TrainLoop& loop);
  absl::Status AwaitOthers(TrainLoop& loop);
  absl::Status SaveAndPerhapsEvaluate(TrainLoop& loop);
  // A checkpoint of the rows as they are: begins it; looks or waits for it; all of that.
  absl::Status BeginSave();
  absl::Status PollSave();
  absl::Status FinishSave();
  absl::Status Save();
  void ReportCheckpoint();
  [[nodiscard]] absl::Status Bear(const absl::Status& saved) const;
  absl::StatusOr<models::MetricValues> ComputeMetrics();

  [[nodiscard]] absl::Status WithLastCheckpoint(const absl::Status& status) const;
  void ReportInput(const std::string& which, const Dataset& dataset);
  absl::Status SetLastStep(const BatchSource& source);
  [[nodiscard]] bool IsAtEnd() const { return last_step_ > 0 && step_ >= last_step_; }
  [[nodiscard]] bool MustStop() const;
  [[nodiscard]] bool IsCheckpointDue(Clock::time_point now) const;
  [[nodiscard]] bool IsEvaluationDue(Clock::time_point now) const;

  const TrainingOptions& options_;
  TrainingObserver& observer_;
  const std::stop_token stop_;
  const models::Model model_;
  const Clock::time_point start_ = Clock::now();

  base::ThreadPool pool_;
  PhaseClock clock_;
  TrainingResult result_;
  std::unique_ptr<JobDirectory> directory_;
  std::unique_ptr<JobStore> job_store_;
  ParameterStore* store_ = nullptr;  // The same.
  Dataset train_data_;
  std::optional<BackgroundDataset> eval_data_;  // None: no evaluation.
  bool eval_data_reported_ = false;

  std::int64_t step_ = 0;       // How many steps the store holds, but for one that is to be pushed.
  std::int64_t last_step_ = 0;  // 0: there is no end.
  Clock::time_point last_save_;
  std::int64_t last_save_step_ = 0;
  Clock::time_point next_poll_;
  std::optional<Clock::time_point> last_evaluation_;
  std::int64_t last_evaluation_step_ = -1;

  std::optional<TrainSummaries> train_summaries_;
  std::optional<EvaluationSummaries> evaluation_summaries_;
};

TrainingJob::TrainingJob(const models::ModelDescription& description,
                         const TrainingOptions& options, TrainingObserver& observer,
                         std::stop_token stop)
    : options_(options),
      observer_(observer),
      stop_(std::move(stop)),
      model_(description),
      pool_(options.num_threads) {}

absl::StatusOr<TrainingResult> TrainingJob::Run() {
  DIME_RETURN_IF_ERROR(Open());
  DIME_RETURN_IF_ERROR(ReadInput());
  DIME_RETURN_IF_ERROR(Restore());
  if (!result_.interrupted) DIME_RETURN_IF_ERROR(Train());
  if (!result_.interrupted) DIME_RETURN_IF_ERROR(Evaluate());
  if (!result_.interrupted) DIME_RETURN_IF_ERROR(ExportModel());
  if (job_store_ != nullptr) job_store_->Stop();
  clock_.Enter("");

  result_.global_step = step_;
  result_.checkpoint = directory_->newest_checkpoint();
  result_.phase_seconds = clock_.phases();
  const double seconds = clock_.seconds("train");
  if (seconds > 0) {
    result_.steps_per_second = static_cast<double>(step_ - result_.first_step) / seconds;
  }
  return std::move(result_);
}

absl::Status TrainingJob::Open() {
  DIME_ASSIGN_OR_RETURN(directory_,
                        JobDirectory::Open(options_.job_dir, model_, options_.seed,
                                           {.max_to_keep = options_.max_checkpoints,
                                            .order = options_.order,
                                            .input_memory = options_.input_memory,
                                            .train_batch_size = options_.train_batch_size}));
  storage::FileSystem& fs = directory_->file_system();
  const std::string eval_dir =
      options_.eval_name.empty() ? "eval" : fmt::format("eval_{}", options_.eval_name);
  train_summaries_.emplace(fs, directory_->path(), model_, options_.summary_steps);
  evaluation_summaries_.emplace(fs, storage::JoinPath(directory_->path(), eval_dir));
  return absl::OkStatus();
}

absl::Status TrainingJob::ReadInput() {
  clock_.Enter("input");
  DIME_RETURN_IF_ERROR(CheckFilesExist(options_.eval_files));
  DatasetOptions dataset_options{.max_bad_records = options_.max_bad_records,
                                 .window_bytes = WindowBytesWithin(directory_->input_memory()),
                                 .memory_bytes = directory_->input_memory(),
                                 .scratch_directory = directory_->path(),
                                 .stop = stop_};
  absl::StatusOr<Dataset> train_data = LoadDataset(options_.train_files, model_.description(),
                                                   model_.encoder(), dataset_options, pool_);
  if (absl::IsCancelled(train_data.status())) {
    result_.interrupted = true;
    return absl::OkStatus();
  }
  if (!train_data.ok()) return train_data.status();
  train_data_ = *std::move(train_data);
  ReportInput("train", train_data_);
  if (!options_.eval_files.empty()) {
    dataset_options.memory_bytes /= kEvalPartOfMemory;
    eval_data_.emplace(options_.eval_files, model_, dataset_options);
  }
  return absl::OkStatus();
}

void TrainingJob::ReportInput(const std::string& which, const Dataset& dataset) {
  for (const std::string& message : dataset.bad_record_messages) {
    base::Log(base::Severity::kWarning, "left out: {}", message);
  }
  if (dataset.examples.spill() != nullptr && which == "train" &&
      directory_->order() == Order::kShuffled) {
    base::Log(base::Severity::kInfo, "train data: shuffled in windows of about {} of {} examples",
              dataset.examples.examples_per_window(), dataset.examples.size());
  }
  result_.bad_records += dataset.num_bad_records;
  observer_.OnInput(which, dataset.examples.size(), dataset.num_bad_records, dataset.read_seconds);
}

absl::Status TrainingJob::Restore() {
  clock_.Enter("restore");
  DIME_ASSIGN_OR_RETURN(job_store_,
                        JobStore::Open(model_, options_.cluster,
                                       {.seed = directory_->seed(),
                                        .order = static_cast<std::uint64_t>(directory_->order()),
                                        .input_memory = directory_->input_memory()},
                                       stop_));
  store_ = &job_store_->store();
  DIME_ASSIGN_OR_RETURN(const std::optional<std::int64_t> restored,
                        directory_->Restore(job_store_->checkpointer()));
  step_ = restored.value_or(0);
  result_.first_step = step_;
  return absl::OkStatus();
}

absl::Status TrainingJob::SetLastStep(const BatchSource& source) {
  last_step_ = options_.train_steps;
  const std::optional<std::int64_t> num_batches = source.num_batches();
  if (!num_batches) return absl::OkStatus();
  const std::int64_t per_step =
      options_.cluster.in_common() ? options_.cluster.micro_batches : std::int64_t{1};
  if (*num_batches < per_step) {
    return base::InvalidArgument(
        "the training data make {} batches in {} epochs, and a step takes {}: read more data, or "
        "more often, or take smaller batches",
        *num_batches, options_.num_epochs, per_step);
  }
  const std::int64_t num_steps = *num_batches / per_step;
  last_step_ = last_step_ > 0 ? std::min(last_step_, num_steps) : num_steps;
  return absl::OkStatus();
}

absl::Status TrainingJob::Train() {
  std::unique_ptr<BatchSource> source =
      MakeBatchSource(train_data_.examples, {.batch_size = options_.train_batch_size,
                                             .num_epochs = options_.num_epochs,
                                             .seed = directory_->seed(),
                                             .order = directory_->order()});
  DIME_RETURN_IF_ERROR(SetLastStep(*source));
  observer_.OnStart(step_, last_step_);
  if (IsAtEnd()) return absl::OkStatus();

  DIME_RETURN_IF_ERROR(directory_->SetTrainData(
      {.num_records = train_data_.examples.size(), .size_bytes = train_data_.size_bytes}));
  const ClusterOptions& cluster = options_.cluster;
  Prefetcher batches(model_,
                     std::make_unique<ReplicaBatches>(std::move(source), cluster.Share(),
                                                      cluster.FirstBatch(step_)),
                     /*first_batch=*/0, kPrefetchDepth);
  TrainLoop loop(model_, *store_, batches, pool_, step_, cluster.Plan());
  DIME_RETURN_IF_ERROR(Save());  // A new job's initial weights.
  DIME_RETURN_IF_ERROR(job_store_->Start(step_, last_step_));
  absl::Status trained = TakeSteps(loop);
  if (trained.ok()) trained = AwaitOthers(loop);
  const absl::Status saved = Bear(FinishSave());  // What was begun on the way.
  if (trained.ok()) trained = saved;
  if (!trained.ok()) return WithLastCheckpoint(trained);
  if (step_ > result_.first_step) result_.final_loss = loop.loss();
  result_.interrupted = stop_.stop_requested() && !IsAtEnd();
  return WithLastCheckpoint(Save());
}

absl::Status TrainingJob::WithLastCheckpoint(const absl::Status& status) const {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      fmt::format("{}; the last checkpoint is {}", base::MessageOf(status),
                                  directory_->newest_checkpoint()));
}

// The master has taken its last step: what the others owe is awaited.
absl::Status TrainingJob::AwaitOthers(TrainLoop& loop) {
  DIME_RETURN_IF_ERROR(loop.Flush());
  const bool in_common = options_.cluster.in_common();
  if (!in_common && (MustStop() || last_step_ == 0)) return absl::OkStatus();
  DIME_ASSIGN_OR_RETURN(step_, job_store_->Await(in_common ? step_ : last_step_, {}));
  return absl::OkStatus();
}

absl::Status TrainingJob::TakeSteps(TrainLoop& loop) {
  ProgressMeter progress(step_, last_step_);
  clock_.Enter("train");
  std::int64_t left = last_step_ > 0 ? options_.cluster.OwnSteps(step_, last_step_) : -1;
  for (; left != 0 && !MustStop(); --left) {
    DIME_ASSIGN_OR_RETURN(const bool taken, loop.Step());
    if (!taken) break;
    step_ = loop.step();
    train_summaries_->AfterStep(loop);
    const Clock::time_point now = Clock::now();
    if (const Progress* const news = progress.AfterStep(loop, now)) observer_.OnProgress(*news);
    DIME_RETURN_IF_ERROR(PollSave());
    // What is due after the last step is done when training is over.
    if (left == 1 || !IsCheckpointDue(now)) continue;
    DIME_RETURN_IF_ERROR(SaveAndPerhapsEvaluate(loop));
    clock_.Enter("train");
  }
  return absl::OkStatus();
}

absl::Status TrainingJob::SaveAndPerhapsEvaluate(TrainLoop& loop) {
  DIME_RETURN_IF_ERROR(Bear(FinishSave()));
  DIME_RETURN_IF_ERROR(loop.Flush());
  // In common no other replica takes the next step before this one does: the rows stand still.
  DIME_ASSIGN_OR_RETURN(step_, job_store_->Await(options_.cluster.in_common() ? step_ : 0, {}));
  DIME_RETURN_IF_ERROR(Bear(BeginSave()));
  if (!IsEvaluationDue(Clock::now())) return absl::OkStatus();
  DIME_RETURN_IF_ERROR(Bear(FinishSave()));
  return Evaluate();
}

bool TrainingJob::MustStop() const {
  return stop_.stop_requested() || (eval_data_.has_value() && eval_data_->has_failed());
}

bool TrainingJob::IsCheckpointDue(Clock::time_point now) const {
  // Steps may come in jumps where other replicas take some. A checkpoint of a certain step waits
  // for the one before to be written; one of about now is as good when that is over.
  return (options_.checkpoint_steps > 0 &&
          step_ / options_.checkpoint_steps > last_save_step_ / options_.checkpoint_steps) ||
         (!directory_->is_saving() && now >= last_save_ + options_.checkpoint_interval);
}

bool TrainingJob::IsEvaluationDue(Clock::time_point now) const {
  const std::int64_t last_step = std::max(result_.first_step, last_evaluation_step_);
  return eval_data_.has_value() && now >= start_ + options_.eval_delay &&
         step_ >= last_step + options_.eval_min_steps &&
         (!last_evaluation_.has_value() || now >= *last_evaluation_ + options_.eval_interval);
}

absl::Status TrainingJob::BeginSave() {
  clock_.Enter("checkpoint");
  last_save_ = Clock::now();
  last_save_step_ = step_;
  DIME_ASSIGN_OR_RETURN(step_, directory_->BeginSave(job_store_->checkpointer()));
  last_save_step_ = step_;
  return absl::OkStatus();
}

absl::Status TrainingJob::PollSave() {
  const Clock::time_point now = Clock::now();
  if (!directory_->is_saving() || now < next_poll_) return absl::OkStatus();
  next_poll_ = now + kPollInterval;
  const absl::StatusOr<bool> written = directory_->PollSave();
  if (written.ok() && *written) ReportCheckpoint();
  return Bear(written.status());
}

absl::Status TrainingJob::FinishSave() {
  if (!directory_->is_saving()) return absl::OkStatus();
  clock_.Enter("checkpoint");
  DIME_RETURN_IF_ERROR(directory_->FinishSave());
  ReportCheckpoint();
  return absl::OkStatus();
}

absl::Status TrainingJob::Save() {
  DIME_RETURN_IF_ERROR(BeginSave());
  return FinishSave();
}

void TrainingJob::ReportCheckpoint() {
  const std::string prefix = directory_->newest_checkpoint();
  const std::int64_t step = directory_->newest_step().value_or(0);
  train_summaries_->AfterCheckpoint(step, prefix);
  observer_.OnCheckpoint(step, prefix);
}

// Work that is done is worth more than the disk it did not fit on: the next checkpoint may succeed.
// Weights that are no numbers are another matter.
absl::Status TrainingJob::Bear(const absl::Status& saved) const {
  if (saved.ok() || absl::IsFailedPrecondition(saved)) return saved;
  base::Log(base::Severity::kError,
            "no checkpoint after step {}, the last one is {}; training goes on: {}",
            last_save_step_, directory_->newest_checkpoint(), base::MessageOf(saved));
  return absl::OkStatus();
}

absl::Status TrainingJob::Evaluate() {
  if (!eval_data_.has_value() || last_evaluation_step_ == step_) return absl::OkStatus();
  absl::StatusOr<models::MetricValues> metrics = ComputeMetrics();
  if (absl::IsCancelled(metrics.status())) {
    result_.interrupted = true;
    return absl::OkStatus();
  }
  if (!metrics.ok()) return metrics.status();
  result_.metrics = *std::move(metrics);
  last_evaluation_ = Clock::now();
  last_evaluation_step_ = step_;
  evaluation_summaries_->Add(step_, result_.metrics, directory_->newest_checkpoint());
  observer_.OnEvaluation(step_, result_.metrics);
  return absl::OkStatus();
}

absl::StatusOr<models::MetricValues> TrainingJob::ComputeMetrics() {
  clock_.Enter("input");
  DIME_ASSIGN_OR_RETURN(const Dataset* const data, eval_data_->Get());
  if (!std::exchange(eval_data_reported_, true)) ReportInput("eval", *data);
  clock_.Enter("evaluate");
  return worker::Evaluate(
      model_, data->examples,
      {.batch_size = options_.eval_batch_size, .steps = options_.eval_steps, .stop = stop_},
      *store_, pool_);
}

absl::Status TrainingJob::ExportModel() {
  if (options_.export_name.empty()) return absl::OkStatus();
  if (stop_.stop_requested()) {
    result_.interrupted = true;
    return absl::OkStatus();
  }
  clock_.Enter("export");
  models::Batch sample;
  DIME_RETURN_IF_ERROR(ExampleCursor(train_data_.examples).Next(kExportSampleSize, &sample));
  const std::string base =
      storage::JoinPath(storage::JoinPath(directory_->path(), "export"), options_.export_name);
  DIME_ASSIGN_OR_RETURN(result_.export_dir, Export(directory_->file_system(), base, model_, *store_,
                                                   step_, options_.export_format, sample));
  observer_.OnExport(result_.export_dir);
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckOptions(const TrainingOptions& options) {
  if (options.job_dir.empty()) return base::InvalidArgument("no job directory is given");
  if (options.train_files.empty()) return base::InvalidArgument("no training files are given");
  const struct {
    std::string_view name;
    std::int64_t value;
    std::int64_t least;
  } limits[] = {
      {"the number of training steps", options.train_steps, 0},
      {"the number of epochs", options.num_epochs, 0},
      {"the training batch size", options.train_batch_size, 1},
      {"the evaluation batch size", options.eval_batch_size, 1},
      {"the number of evaluation steps", options.eval_steps, 0},
      {"the number of bad records to bear", options.max_bad_records, 0},
      {"the number of threads", options.num_threads, 0},
      {"the checkpoint interval [seconds]", options.checkpoint_interval.count(), 0},
      {"the number of steps between checkpoints", options.checkpoint_steps, 0},
      {"the number of checkpoints to keep", options.max_checkpoints, 1},
      {"the number of steps between summaries", options.summary_steps, 0},
  };
  for (const auto& limit : limits) {
    DIME_RETURN_IF_ERROR(CheckAtLeast(limit.name, limit.value, limit.least));
  }
  DIME_RETURN_IF_ERROR(CheckIsDirectoryName("the evaluation's name", options.eval_name));
  return CheckIsDirectoryName("the export's name", options.export_name);
}

absl::StatusOr<TrainingResult> RunTrainingJob(const models::ModelDescription& description,
                                              const TrainingOptions& options,
                                              TrainingObserver& observer, std::stop_token stop) {
  DIME_RETURN_IF_ERROR(CheckOptions(options));
  if (!options.export_name.empty()) {
    DIME_RETURN_IF_ERROR(models::CheckExport(description, options.export_format));
  }
  return TrainingJob(description, options, observer, std::move(stop)).Run();
}

}  // namespace dime::worker
