#include "worker/evaluation_job.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "models/batch.h"
#include "models/model.h"
#include "runtime/base/log.h"
#include "runtime/base/thread_pool.h"
#include "runtime/checkpoint/checkpoint_state.h"
#include "runtime/storage/file_system.h"
#include "worker/checkpoint_loading.h"
#include "worker/evaluator.h"
#include "worker/exporter.h"
#include "worker/in_process_store.h"
#include "worker/input/dataset.h"
#include "worker/job_directory.h"
#include "worker/job_end.h"
#include "worker/own_checkpoints.h"
#include "worker/phase_clock.h"
#include "worker/summaries.h"
#include "worker/training_checks.h"

namespace dime::worker {
namespace {

using Clock = std::chrono::steady_clock;

// A checkpoint that cannot be read so often is damaged, and not just on its way.
constexpr int kMostTries = 3;

class EvaluationJob {
 public:
  EvaluationJob(const models::ModelDescription& description, const TrainingOptions& options,
                const EvaluationWait& wait, TrainingObserver& observer, std::stop_token stop)
      : options_(options),
        wait_(wait),
        observer_(observer),
        stop_(std::move(stop)),
        model_(description),
        pool_(options.num_threads),
        not_before_(Clock::now() + options.eval_delay) {}

  absl::StatusOr<TrainingResult> Run();

 private:
  absl::Status Open();
  absl::Status EvaluateAll();
  // Whether there was one that is newer than those before.
  absl::StatusOr<bool> EvaluateNewest();
  // Whether it could be read.
  absl::StatusOr<bool> EvaluateCheckpoint(const std::string& name);
  absl::Status Load(const std::string& name);
  absl::Status Wait();
  absl::Status ExportModel();

  [[nodiscard]] bool IsLast(std::int64_t step) const;
  [[nodiscard]] bool IsDue(const std::string& name) const;
  void NoteProblem(std::int64_t step, std::string_view problem);
  [[nodiscard]] absl::Status InVain() const;

  const TrainingOptions& options_;
  const EvaluationWait wait_;
  TrainingObserver& observer_;
  const std::stop_token stop_;
  const models::Model model_;
  base::ThreadPool pool_;
  PhaseClock clock_;
  storage::FileSystem* fs_ = nullptr;
  std::unique_ptr<InProcessStore> store_;
  std::string loaded_;  // Whose rows the store holds; "": anything.
  Dataset data_;
  std::optional<EvaluationSummaries> summaries_;

  const Clock::time_point not_before_;  // But for the last one.
  Clock::time_point deadline_;
  std::optional<FinishedJob> end_;    // As of the last look.
  std::set<std::string> evaluated_;   // Names of checkpoints.
  std::map<std::string, int> tries_;  // Of those that could not be read.
  std::string problem_;               // Of the newest of them; "": none.
  std::int64_t problem_step_ = 0;     // Its step.
  TrainingResult result_;
};

absl::StatusOr<TrainingResult> EvaluationJob::Run() {
  absl::Status status = Open();
  if (status.ok()) status = EvaluateAll();
  if (status.ok()) status = ExportModel();
  clock_.Enter("");
  result_.interrupted = stop_.stop_requested() && absl::IsCancelled(status);
  if (!status.ok() && !result_.interrupted) return status;
  result_.first_step = result_.global_step;
  result_.phase_seconds = clock_.phases();
  return std::move(result_);
}

absl::Status EvaluationJob::Open() {
  clock_.Enter("input");
  DIME_ASSIGN_OR_RETURN(fs_, storage::FileSystemFor(options_.job_dir));
  DIME_RETURN_IF_ERROR(fs_->CreateDirectories(options_.job_dir));
  const std::uint64_t memory = options_.input_memory.value_or(JobSettings().input_memory);
  DIME_RETURN_IF_ERROR(CheckFilesExist(options_.eval_files));
  DIME_ASSIGN_OR_RETURN(data_,
                        LoadDataset(options_.eval_files, model_.description(), model_.encoder(),
                                    {.max_bad_records = options_.max_bad_records,
                                     .window_bytes = WindowBytesWithin(memory),
                                     .memory_bytes = memory / kEvalPartOfMemory,
                                     .scratch_directory = options_.job_dir,
                                     .stop = stop_},
                                    pool_));
  for (const std::string& message : data_.bad_record_messages) {
    base::Log(base::Severity::kWarning, "left out: {}", message);
  }
  result_.bad_records = data_.num_bad_records;
  observer_.OnInput("eval", data_.examples.size(), data_.num_bad_records, data_.read_seconds);
  summaries_.emplace(*fs_, options_.job_dir, options_.eval_name);
  DIME_ASSIGN_OR_RETURN(store_, InProcessStore::Create(model_.tables(), /*seed=*/1));
  return absl::OkStatus();
}

absl::Status EvaluationJob::EvaluateAll() {
  deadline_ = std::max(not_before_, Clock::now()) + wait_.patience;
  while (true) {
    end_ = ReadJobEnd(*fs_, options_.job_dir);
    if (!result_.checkpoint.empty() && IsLast(result_.global_step)) return absl::OkStatus();
    DIME_ASSIGN_OR_RETURN(const bool is_news, EvaluateNewest());
    if (!is_news) DIME_RETURN_IF_ERROR(Wait());
  }
}

absl::StatusOr<bool> EvaluationJob::EvaluateNewest() {
  const auto state = checkpoint::ReadCheckpointState(*fs_, options_.job_dir);
  if (!state.ok()) {
    NoteProblem(/*step=*/0, base::MessageOf(state.status()));
    return false;
  }
  const std::vector<std::string>& prefixes = state->all_prefixes;
  for (auto prefix = prefixes.rbegin(); prefix != prefixes.rend(); ++prefix) {
    const std::string name(storage::BaseName(*prefix));
    if (evaluated_.contains(name)) break;  // And so is what is older, or not worth it any more.
    if (tries_[name] >= kMostTries || !IsDue(name)) continue;
    DIME_ASSIGN_OR_RETURN(const bool evaluated, EvaluateCheckpoint(name));
    if (evaluated) return true;
  }
  return false;
}

absl::StatusOr<bool> EvaluationJob::EvaluateCheckpoint(const std::string& name) {
  if (const absl::Status loaded = Load(name); !loaded.ok()) {
    if (absl::IsFailedPrecondition(loaded)) return loaded;
    // One that is deleted while it is read has a newer one behind it.
    const auto severity =
        ++tries_[name] == kMostTries ? base::Severity::kWarning : base::Severity::kDebug;
    const std::string problem =
        fmt::format("checkpoint {} cannot be read: {}", name, base::MessageOf(loaded));
    base::Log(severity, "passed over: {}", problem);
    NoteProblem(StepOfCheckpoint(name).value_or(0), problem);
    return false;
  }
  clock_.Enter("evaluate");
  DIME_ASSIGN_OR_RETURN(result_.metrics, Evaluate(model_, data_.examples,
                                                  {.batch_size = options_.eval_batch_size,
                                                   .steps = options_.eval_steps,
                                                   .stop = stop_},
                                                  *store_, pool_));
  evaluated_.insert(name);
  result_.global_step = store_->version();
  if (result_.global_step > problem_step_) problem_.clear();
  result_.checkpoint = storage::JoinPath(options_.job_dir, name);
  summaries_->Add(result_.global_step, result_.metrics, result_.checkpoint);
  observer_.OnEvaluation(result_.global_step, result_.metrics);
  deadline_ = Clock::now() + wait_.patience;
  return true;
}

absl::Status EvaluationJob::Load(const std::string& name) {
  if (stop_.stop_requested()) return base::Cancelled("stopped while evaluating");
  clock_.Enter("restore");
  loaded_.clear();
  DIME_RETURN_IF_ERROR(
      LoadCheckpoint(*fs_, options_.job_dir, name, model_, store_->checkpointer()).status());
  loaded_ = name;
  return absl::OkStatus();
}

void EvaluationJob::NoteProblem(std::int64_t step, std::string_view problem) {
  if (!problem_.empty() && step < problem_step_) return;
  problem_ = problem;
  problem_step_ = step;
}

bool EvaluationJob::IsLast(std::int64_t step) const {
  if (options_.train_steps > 0 && step >= options_.train_steps) return true;
  return end_ && end_->train_steps == options_.train_steps &&
         end_->num_epochs == options_.num_epochs && step >= end_->global_step;
}

bool EvaluationJob::IsDue(const std::string& name) const {
  const std::optional<std::int64_t> step = StepOfCheckpoint(name);
  if (!step || IsLast(*step)) return true;
  const std::int64_t next = evaluated_.empty() ? 0 : result_.global_step + options_.eval_min_steps;
  return *step >= next && Clock::now() >= not_before_;
}

absl::Status EvaluationJob::Wait() {
  if (stop_.stop_requested()) return base::Cancelled("stopped while waiting for a checkpoint");
  if (Clock::now() >= deadline_) return InVain();
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop_, wait_.between_looks, [] { return false; });
  return absl::OkStatus();
}

absl::Status EvaluationJob::InVain() const {
  const std::string awaited = options_.train_steps > 0
                                  ? fmt::format("the one of step {}", options_.train_steps)
                                  : "the job's last one";
  const std::string before = result_.checkpoint.empty()
                                 ? "none has come before"
                                 : fmt::format("the last was {}", result_.checkpoint);
  return base::DeadlineExceeded(
      "no new checkpoint has come to {} for {} s, and the evaluator waits for {}; {}{}{}",
      options_.job_dir, wait_.patience.count(), awaited, before, problem_.empty() ? "" : "; ",
      problem_);
}

absl::Status EvaluationJob::ExportModel() {
  if (options_.export_name.empty()) return absl::OkStatus();
  const std::string name(storage::BaseName(result_.checkpoint));
  if (loaded_ != name) DIME_RETURN_IF_ERROR(Load(name));
  if (stop_.stop_requested()) return base::Cancelled("stopped before the export");
  clock_.Enter("export");
  models::Batch sample;
  DIME_RETURN_IF_ERROR(ExampleCursor(data_.examples).Next(kExportSampleSize, &sample));
  DIME_ASSIGN_OR_RETURN(
      result_.export_dir,
      Export(*fs_, ExportDirectory(options_.job_dir, options_.export_name), model_, *store_,
             result_.global_step, options_.export_format, sample));
  observer_.OnExport(result_.export_dir);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TrainingResult> RunEvaluationJob(const models::ModelDescription& description,
                                                const TrainingOptions& options,
                                                const EvaluationWait& wait,
                                                TrainingObserver& observer, std::stop_token stop) {
  DIME_RETURN_IF_ERROR(CheckOptions(options));
  if (options.eval_files.empty()) {
    return base::InvalidArgument("an evaluator needs evaluation files, and there are none");
  }
  if (!options.export_name.empty()) {
    DIME_RETURN_IF_ERROR(models::CheckExport(description, options.export_format));
  }
  return EvaluationJob(description, options, wait, observer, std::move(stop)).Run();
}

}  // namespace dime::worker
