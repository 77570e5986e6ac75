// worker/training_job.h - a whole training job as its master runs it: read, train, checkpoint,
// evaluate, export.
//
// The caller watches through a TrainingObserver and stops it through a stop token; a stopped job
// checkpoints first and returns with `interrupted` set.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "models/description.h"
#include "models/export/saved_model.h"
#include "models/metrics.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "worker/cluster_options.h"
#include "worker/input/batch_schedule.h"
#include "worker/report/cluster_report.h"

namespace dime::worker {

struct TrainingOptions {
  std::string job_dir;
  std::vector<std::string> train_files;  // Paths or globs.
  std::vector<std::string> eval_files;   // Empty: no evaluation.
  std::int64_t train_steps = 0;          // The global step to stop at; 0: no limit but num_epochs.
  std::int64_t num_epochs = 0;           // 0: no limit but train_steps.
  std::int64_t train_batch_size = 40;
  std::int64_t eval_batch_size = 40;
  std::int64_t eval_steps = 100;      // 0: the whole set.
  std::int64_t max_bad_records = 0;   // Of the training set, and of the evaluation set.
  std::optional<std::uint64_t> seed;  // None: the job directory's, or 1 for a new one.
  // What the parsed training examples may take before they go to a scratch file in the job
  // directory; a quarter of it for the evaluation's.
  std::optional<std::uint64_t> input_memory;  // None: the job directory's, or 1 GiB for a new one.
  std::optional<Order> order;  // None: the job directory's, or shuffled for a new one.
  int num_threads = 0;         // 0: one a processor.
  ClusterOptions cluster;      // Alone in the world, unless it says otherwise.

  std::chrono::seconds checkpoint_interval{600};
  std::int64_t checkpoint_steps = 0;  // > 0: also after every so many steps.
  int max_checkpoints = 5;            // And those that they build on.
  int full_checkpoint_every = 10;     // Of unbounded tables the others have what has changed.
  std::int64_t max_failed_saves = 3;  // In a row; then the job ends. 0: it never does for that.
  bool strict = false;  // A damaged newest checkpoint ends the job; none before it is taken.
  std::chrono::seconds eval_delay{
      0};  // No evaluation before this much time has passed (but the last).
  std::chrono::seconds eval_interval{600};  // Between evaluations, at least.
  std::int64_t eval_min_steps = 0;          // Likewise, in steps.
  std::int64_t summary_steps = 100;         // Between events.

  std::optional<net::Address> metrics;  // Where Prometheus finds the job's numbers; none: nowhere.

  std::string eval_name;    // eval_<name>/
  std::string export_name;  // export/<name>/<time>/; empty: no export.
  models::ExportFormat export_format = models::ExportFormat::kJson;
};

// Updates that others made between the pull and the push of a step: half of the steps have at most
// p50, 99 % at most p99.
struct StalenessRange {
  std::int64_t p50 = 0;
  std::int64_t p99 = 0;
};

struct Progress {
  std::int64_t step = 0;
  std::int64_t first_step = 0;                // Where this run began.
  std::int64_t last_step = 0;                 // Where it will end; 0: unknown.
  double loss = 0;                            // Of the newest step.
  double steps_per_second = 0;                // Over the last moments.
  double examples_per_second = 0;             // Of all replicas.
  std::optional<StalenessRange> staleness{};  // None: in sync, and where nothing is known yet.
};

// kInvalidArgument for values that make no sense, whatever the files hold.
absl::Status CheckOptions(const TrainingOptions& options);

// Called from the training thread; must return quickly.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;
  virtual void OnInput(const std::string& which, std::int64_t num_examples,
                       std::int64_t num_bad_records, double seconds) = 0;
  virtual void OnStart(std::int64_t first_step,
                       std::int64_t last_step) = 0;       // After a possible restore.
  virtual void OnProgress(const Progress& progress) = 0;  // About 10 times a second.
  virtual void OnCheckpoint(std::int64_t step, const std::string& prefix) = 0;
  virtual void OnEvaluation(std::int64_t step, const models::MetricValues& metrics) = 0;
  virtual void OnExport(const std::string& path) = 0;
};

struct TrainingResult {
  std::int64_t first_step = 0;
  std::int64_t global_step = 0;
  bool interrupted = false;
  double final_loss = 0;
  models::MetricValues metrics;  // Of the last evaluation; empty when there was none.
  std::string checkpoint;        // Prefix of the last checkpoint.
  std::string export_dir;        // Empty when nothing was exported.
  std::int64_t bad_records = 0;
  double steps_per_second = 0;  // Over the training phase.
  // Phases in the order they took place: "input", "restore", "train", "evaluate", "checkpoint",
  // "export".
  std::vector<std::pair<std::string, double>> phase_seconds;
  ClusterReport report;
};

absl::StatusOr<TrainingResult> RunTrainingJob(const models::ModelDescription& description,
                                              const TrainingOptions& options,
                                              TrainingObserver& observer, std::stop_token stop);

}  // namespace dime::worker
