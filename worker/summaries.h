// worker/summaries.h - what a job writes into its event files, under the tags TensorFlow uses.
//
// Training: loss (with a summed loss average_loss too), global_step/sec, the layers' activations,
// linear/bias, session log; of clusters what their replicas report, under dime/. Evaluation: each
// metric, checkpoint_path.
//
// Events never stop a job: the first failure is logged, and what comes after it is dropped.
// Threads: one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "models/metrics.h"
#include "models/model.h"
#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"
#include "worker/report/cluster_report.h"
#include "worker/train_loop.h"

namespace dime::records {
class EventWriter;
}  // namespace dime::records

namespace dime::worker {

// An event file that is opened when something is to be written, and given up when that fails.
class EventLog {
 public:
  EventLog(storage::FileSystem& fs, std::string directory);
  ~EventLog();

  // Calls write(writer), which returns a status, and flushes.
  template <typename Write>
  void Add(Write write) {
    if (!Open()) return;
    Finish(write(*writer_));
  }

 private:
  bool Open();
  void Finish(const absl::Status& written);
  void Check(const absl::Status& status);

  storage::FileSystem& fs_;
  std::string directory_;
  std::unique_ptr<records::EventWriter> writer_;
  bool failed_ = false;
};

class TrainSummaries {
 public:
  // Into the job directory; a summary every `every_steps` steps (0: none), the first one at the
  // first step.
  TrainSummaries(storage::FileSystem& fs, const std::string& directory, const models::Model& model,
                 std::int64_t every_steps);

  // Whether it was time for a summary.
  bool AfterStep(const TrainLoop& loop);
  // Where the time of a cluster's replicas goes, under dime/: not more often than there are news.
  void AddReport(std::int64_t step, const ClusterReport& report);
  void AfterCheckpoint(std::int64_t step, const std::string& prefix);

 private:
  absl::Status WriteStep(const TrainLoop& loop, double steps_per_second,
                         records::EventWriter& writer) const;

  const models::Model& model_;
  const std::int64_t every_steps_;
  const int bias_table_;  // linear/bias; -1: the model has none.
  EventLog log_;
  std::int64_t last_step_ = -1;  // Of the newest summary; -1: none in this run.
  std::chrono::steady_clock::time_point last_time_;
  std::chrono::steady_clock::time_point next_report_{};
};

class EvaluationSummaries {
 public:
  // Into JOB_DIR/eval_NAME, or JOB_DIR/eval where there is no name.
  EvaluationSummaries(storage::FileSystem& fs, const std::string& job_dir, const std::string& name);

  void Add(std::int64_t step, const models::MetricValues& metrics, const std::string& checkpoint);

 private:
  EventLog log_;
};

}  // namespace dime::worker
