#include "worker/training_job.h"

#include <algorithm>
#include <memory>

#include "models/batch.h"
#include "models/model.h"
#include "runtime/base/either_stop.h"
#include "runtime/base/log.h"
#include "runtime/base/thread_pool.h"
#include "runtime/storage/file_system.h"
#include "worker/background_dataset.h"
#include "worker/coordination/coordination_server.h"
#include "worker/evaluator.h"
#include "worker/exporter.h"
#include "worker/failed_saves.h"
#include "worker/input/dataset.h"
#include "worker/input/prefetcher.h"
#include "worker/job_batches.h"
#include "worker/job_directory.h"
#include "worker/job_end.h"
#include "worker/job_store.h"
#include "worker/leases/lease_book.h"
#include "worker/phase_clock.h"
#include "worker/report/job_monitor.h"
#include "worker/summaries.h"
#include "worker/train_loop.h"
#include "worker/training_checks.h"

namespace dime::worker {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPrefetchDepth = 8;
constexpr std::chrono::milliseconds kPollInterval{20};  // For a checkpoint that is being written.

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
  void NoteEnd();

  absl::Status TakeAllSteps();
  absl::Status TakeSteps(TrainLoop& loop);
  absl::Status AwaitOthers();
  absl::Status AwaitLeases(LeaseBook& leases);
  absl::Status SaveAndPerhapsEvaluate(TrainLoop& loop);
  // A checkpoint of the rows as they are: begins it; looks or waits for it; all of that.
  absl::Status BeginSave(SaveKind kind);
  absl::Status PollSave();
  absl::Status FinishSave();
  absl::Status Save();
  void ReportCheckpoint();
  absl::Status Bear(const absl::Status& saved);
  absl::StatusOr<models::MetricValues> ComputeMetrics();

  [[nodiscard]] absl::Status WithLastCheckpoint(const absl::Status& status) const;
  void ReportInput(const std::string& which, const Dataset& dataset);
  [[nodiscard]] bool IsAtEnd() const { return last_step_ > 0 && step_ >= last_step_; }
  [[nodiscard]] bool MustStop() const;
  [[nodiscard]] bool IsCheckpointDue(Clock::time_point now) const;
  [[nodiscard]] bool IsEvaluationDue(Clock::time_point now) const;

  const TrainingOptions& options_;
  TrainingObserver& observer_;
  const std::stop_token stop_;  // A user's wish: ends the job in good order.
  // The cluster's end, too, which is an error: whatever goes on in this process is in vain.
  const base::EitherStop any_stop_;
  const models::Model model_;
  const Clock::time_point start_ = Clock::now();

  base::ThreadPool pool_;
  PhaseClock clock_;
  std::optional<JobBatches> batches_;  // Once the data are read.
  TrainingResult result_;
  std::unique_ptr<JobDirectory> directory_;
  FailedSaves failed_saves_;
  std::unique_ptr<JobStore> job_store_;
  ParameterStore* store_ = nullptr;  // The same.
  JobMonitor monitor_;
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
      any_stop_(stop_, options.cluster.stop),
      model_(description),
      pool_(options.num_threads),
      failed_saves_(options.max_failed_saves),
      monitor_(options.cluster, model_) {}

absl::StatusOr<TrainingResult> TrainingJob::Run() {
  DIME_RETURN_IF_ERROR(Open());
  DIME_RETURN_IF_ERROR(ReadInput());
  if (!result_.interrupted) DIME_RETURN_IF_ERROR(Restore());
  if (!result_.interrupted) DIME_RETURN_IF_ERROR(Train());
  if (!result_.interrupted) DIME_RETURN_IF_ERROR(Evaluate());
  if (!result_.interrupted) DIME_RETURN_IF_ERROR(ExportModel());
  if (!result_.interrupted) NoteEnd();
  if (job_store_ != nullptr) {
    job_store_->Stop();
  } else if (options_.cluster.coordinator != nullptr) {
    options_.cluster.coordinator->End(absl::OkStatus());
  }
  clock_.Enter("");

  result_.global_step = step_;
  result_.checkpoint = directory_->newest_checkpoint();
  result_.phase_seconds = clock_.phases();
  result_.report = monitor_.Report();
  const double seconds = clock_.seconds("train");
  if (seconds > 0) {
    result_.steps_per_second = static_cast<double>(step_ - result_.first_step) / seconds;
  }
  return std::move(result_);
}

absl::Status TrainingJob::Open() {
  if (options_.metrics) DIME_RETURN_IF_ERROR(monitor_.ServeMetrics(*options_.metrics));
  DIME_ASSIGN_OR_RETURN(directory_,
                        JobDirectory::Open(options_.job_dir, model_, options_.seed,
                                           {.max_to_keep = options_.max_checkpoints,
                                            .full_every = options_.full_checkpoint_every,
                                            .order = options_.order,
                                            .input_memory = options_.input_memory,
                                            .train_batch_size = options_.train_batch_size,
                                            .strict = options_.strict}));
  storage::FileSystem& fs = directory_->file_system();
  train_summaries_.emplace(fs, directory_->path(), model_, options_.summary_steps);
  evaluation_summaries_.emplace(fs, directory_->path(), options_.eval_name);
  return DeleteJobEnd(fs, directory_->path());
}

absl::Status TrainingJob::ReadInput() {
  clock_.Enter("input");
  DIME_RETURN_IF_ERROR(CheckFilesExist(options_.eval_files));
  DatasetOptions dataset_options{.max_bad_records = options_.max_bad_records,
                                 .window_bytes = WindowBytesWithin(directory_->input_memory()),
                                 .memory_bytes = directory_->input_memory(),
                                 .scratch_directory = directory_->path(),
                                 .stop = any_stop_.token()};
  absl::StatusOr<Dataset> train_data = LoadDataset(options_.train_files, model_.description(),
                                                   model_.encoder(), dataset_options, pool_);
  if (absl::IsCancelled(train_data.status()) && stop_.stop_requested()) {
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
  absl::StatusOr<std::unique_ptr<JobStore>> opened =
      JobStore::Open(model_, options_.cluster,
                     {.seed = directory_->seed(),
                      .order = static_cast<std::uint64_t>(directory_->order()),
                      .input_memory = directory_->input_memory()},
                     stop_);
  if (absl::IsCancelled(opened.status()) && stop_.stop_requested()) {
    result_.interrupted = true;
    return absl::OkStatus();
  }
  if (!opened.ok()) return opened.status();
  job_store_ = *std::move(opened);
  store_ = &job_store_->store();
  DIME_ASSIGN_OR_RETURN(const std::optional<std::int64_t> restored,
                        directory_->Restore(job_store_->checkpointer()));
  step_ = restored.value_or(0);
  result_.first_step = step_;
  return absl::OkStatus();
}

absl::Status TrainingJob::Train() {
  batches_.emplace(options_, *directory_, train_data_);
  DIME_RETURN_IF_ERROR(batches_->Begin(step_));
  last_step_ = batches_->last_step();
  observer_.OnStart(step_, last_step_);
  if (IsAtEnd()) return absl::OkStatus();

  DIME_RETURN_IF_ERROR(directory_->SetTrainData(
      {.num_records = train_data_.examples.size(), .size_bytes = train_data_.size_bytes}));
  DIME_RETURN_IF_ERROR(Save());  // A new job's initial weights.
  store_->meter().AddParse(train_data_.cpu_seconds);
  monitor_.Begin(step_, last_step_, store_->meter(), batches_->leases());
  DIME_RETURN_IF_ERROR(job_store_->Start(step_, last_step_));
  absl::Status trained = TakeAllSteps();
  const absl::Status saved = FinishSave();  // What was begun on the way.
  if (trained.ok()) trained = Bear(saved);
  if (!trained.ok()) return WithLastCheckpoint(trained);
  DIME_ASSIGN_OR_RETURN(const auto servers, job_store_->ReadStatistics());
  monitor_.End(step_, servers);
  result_.interrupted = stop_.stop_requested() && !IsAtEnd();
  return Save();
}

absl::Status TrainingJob::WithLastCheckpoint(const absl::Status& status) const {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      fmt::format("{}; the last checkpoint is {}", base::MessageOf(status),
                                  directory_->newest_checkpoint()));
}

absl::Status TrainingJob::TakeAllSteps() {
  // A second time where another replica is gone, and has left batches to do.
  while (true) {
    Prefetcher batches(model_, batches_->MakeOwn(step_, store_->meter()), /*first_batch=*/0,
                       kPrefetchDepth, &store_->meter());
    TrainLoop loop(model_, *store_, batches, pool_, step_, options_.cluster.Plan());
    DIME_RETURN_IF_ERROR(TakeSteps(loop));
    DIME_RETURN_IF_ERROR(loop.Flush());
    store_->meter().Stop();
    DIME_RETURN_IF_ERROR(AwaitOthers());
    LeaseBook* const leases = batches_->leases();
    if (leases == nullptr || leases->is_done()) return absl::OkStatus();
  }
}

// The master has taken its last step: what the others owe is awaited.
absl::Status TrainingJob::AwaitOthers() {
  if (LeaseBook* const leases = batches_->leases()) DIME_RETURN_IF_ERROR(AwaitLeases(*leases));
  monitor_.ReportOwn(Clock::now());
  batches_->NoteDone();
  DIME_ASSIGN_OR_RETURN(step_, job_store_->Await(options_.cluster.in_common() ? step_ : 0, {}));
  return absl::OkStatus();
}

// Until all leases are done, or some are given back.
absl::Status TrainingJob::AwaitLeases(LeaseBook& leases) {
  constexpr std::chrono::minutes kPatience{10};
  constexpr std::chrono::milliseconds kBetweenLooks{50};
  monitor_.ReportOwn(Clock::now());
  DIME_RETURN_IF_ERROR(job_store_->Leave());
  std::int64_t num_leased = -1;
  Clock::time_point deadline;
  while (!leases.is_done() && leases.is_exhausted()) {
    if (const std::int64_t now = leases.num_leased(); now != num_leased) {
      num_leased = now;
      deadline = Clock::now() + kPatience;
    }
    if (Clock::now() >= deadline) {
      return base::DeadlineExceeded(
          "for {} min nothing was heard of the last {} batches that other replicas have taken",
          kPatience.count(), num_leased);
    }
    leases.AwaitNews(Clock::now() + kBetweenLooks);
    DIME_RETURN_IF_ERROR(job_store_->ReadStatistics().status());  // Whether servers are there.
  }
  return absl::OkStatus();
}

absl::Status TrainingJob::TakeSteps(TrainLoop& loop) {
  clock_.Enter("train");
  store_->meter().Start();
  std::int64_t left = -1;
  LeaseBook* const leases = batches_->leases();
  if (last_step_ > 0 && leases == nullptr) left = options_.cluster.OwnSteps(step_, last_step_);
  for (; left != 0; --left) {
    if (MustStop()) {
      if (leases == nullptr) break;
      leases->StopGranting();  // What is leased is still done, so that all ends at one batch.
    }
    DIME_ASSIGN_OR_RETURN(const bool taken, loop.Step());
    if (!taken) break;
    step_ = loop.step();
    result_.final_loss = loop.loss();
    const Clock::time_point now = Clock::now();
    if (const Progress* const news = monitor_.AfterStep(loop, now)) observer_.OnProgress(*news);
    if (train_summaries_->AfterStep(loop)) train_summaries_->AddReport(step_, monitor_.Report());
    DIME_RETURN_IF_ERROR(PollSave());
    // What is due after the last step is done when training is over.
    if (left == 1 || IsAtEnd() || !IsCheckpointDue(now)) continue;
    store_->meter().Stop();
    DIME_RETURN_IF_ERROR(SaveAndPerhapsEvaluate(loop));
    clock_.Enter("train");
    store_->meter().Start();
  }
  return absl::OkStatus();
}

absl::Status TrainingJob::SaveAndPerhapsEvaluate(TrainLoop& loop) {
  DIME_RETURN_IF_ERROR(Bear(FinishSave()));
  DIME_RETURN_IF_ERROR(loop.Flush());
  monitor_.ReportOwn(Clock::now());
  batches_->NoteDone();
  // In common no other replica takes the next step before this one does: the rows stand still.
  DIME_ASSIGN_OR_RETURN(step_, job_store_->Await(options_.cluster.in_common() ? step_ : 0, {}));
  DIME_RETURN_IF_ERROR(Bear(BeginSave(SaveKind::kMayBuildOn)));
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

absl::Status TrainingJob::BeginSave(SaveKind kind) {
  clock_.Enter("checkpoint");
  last_save_ = Clock::now();
  last_save_step_ = step_;
  DIME_ASSIGN_OR_RETURN(step_, directory_->BeginSave(job_store_->checkpointer(), kind));
  last_save_step_ = step_;
  const absl::Status done_saved = batches_->SaveDone(step_);
  if (!done_saved.ok()) directory_->GiveUpSave();
  return done_saved;
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
  absl::Status saved = BeginSave(SaveKind::kFull);
  if (saved.ok()) saved = FinishSave();
  return FatalSave(saved, step_, directory_->newest_checkpoint());
}

void TrainingJob::ReportCheckpoint() {
  failed_saves_.NoteSuccess();
  const std::string prefix = directory_->newest_checkpoint();
  const std::int64_t step = directory_->newest_step().value_or(0);
  train_summaries_->AfterCheckpoint(step, prefix);
  observer_.OnCheckpoint(step, prefix);
}

absl::Status TrainingJob::Bear(const absl::Status& saved) {
  return failed_saves_.Bear(saved, last_save_step_, directory_->newest_checkpoint());
}

absl::Status TrainingJob::Evaluate() {
  if (!eval_data_.has_value() || last_evaluation_step_ == step_) return absl::OkStatus();
  absl::StatusOr<models::MetricValues> metrics = ComputeMetrics();
  if (absl::IsCancelled(metrics.status()) && stop_.stop_requested()) {
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
  return worker::Evaluate(model_, data->examples,
                          {.batch_size = options_.eval_batch_size,
                           .steps = options_.eval_steps,
                           .stop = any_stop_.token()},
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
  const std::string base = ExportDirectory(directory_->path(), options_.export_name);
  DIME_ASSIGN_OR_RETURN(result_.export_dir, Export(directory_->file_system(), base, model_, *store_,
                                                   step_, options_.export_format, sample));
  observer_.OnExport(result_.export_dir);
  return absl::OkStatus();
}

// For an evaluator; a job that has none is as good without it.
void TrainingJob::NoteEnd() {
  const absl::Status written = WriteJobEnd(directory_->file_system(), directory_->path(),
                                           {.global_step = step_,
                                            .train_steps = options_.train_steps,
                                            .num_epochs = options_.num_epochs});
  if (!written.ok()) {
    base::Log(base::Severity::kWarning, "an evaluator is not told that the job has ended: {}",
              base::MessageOf(written));
  }
}

}  // namespace

absl::StatusOr<TrainingResult> RunTrainingJob(const models::ModelDescription& description,
                                              const TrainingOptions& options,
                                              TrainingObserver& observer, std::stop_token stop) {
  DIME_RETURN_IF_ERROR(CheckOptions(options));
  if (!options.export_name.empty()) {
    DIME_RETURN_IF_ERROR(models::CheckExport(description, options.export_format));
  }
  TrainingJob job(description, options, observer, std::move(stop));
  absl::StatusOr<TrainingResult> result = job.Run();
  // What is this process's own doing is said before others notice that it ends, and take that for
  // the cause.
  CoordinationServer* const coordinator = options.cluster.coordinator;
  if (coordinator != nullptr && !absl::IsUnavailable(result.status()) &&
      !absl::IsDeadlineExceeded(result.status()) && !absl::IsCancelled(result.status())) {
    coordinator->Fail(result.status());
  }
  return result;
}

}  // namespace dime::worker
