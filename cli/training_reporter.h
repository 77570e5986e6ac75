// cli/training_reporter.h - shows a training job to its user: the log and a progress bar while it
// runs, the results at the end.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/terminal/progress_text.h"
#include "cli/terminal/status_line.h"
#include "worker/training_job.h"

namespace dime::cli {

// What a job does when it has taken its last step.
struct AfterTraining {
  bool evaluates = false;
  bool exports = false;
};

class TrainingReporter : public worker::TrainingObserver {
 public:
  // `status_line`: where the bar goes; null where stderr is no terminal, or the user wants quiet.
  TrainingReporter(std::unique_ptr<StatusLine> status_line, AfterTraining after_training)
      : after_training_(after_training), status_line_(std::move(status_line)) {}

  void OnInput(const std::string& which, std::int64_t num_examples, std::int64_t num_bad_records,
               double seconds) override;
  void OnStart(std::int64_t first_step, std::int64_t last_step) override;
  void OnProgress(const worker::Progress& progress) override;
  void OnCheckpoint(std::int64_t step, const std::string& prefix) override;
  void OnEvaluation(std::int64_t step, const models::MetricValues& metrics) override;
  void OnExport(const std::string& path) override;

  // The bar goes.
  void Stop() { status_line_.reset(); }
  // The job is over: the bar goes, the log says how training went.
  void Finish(const worker::TrainingResult& result);

 private:
  using Clock = std::chrono::steady_clock;

  // Replaces what the status line says about a phase that is over; "": the line goes.
  void ShowPhase(std::string_view phase);

  const AfterTraining after_training_;
  std::unique_ptr<StatusLine> status_line_;
  std::optional<ProgressPacer> pacer_;
  std::int64_t last_step_ = 0;   // 0: unknown.
  double steps_per_second_ = 0;  // Smoothed, so that the time left can be read.
  double examples_per_second_ = 0;
};

// What `dime local train` prints on stdout.
[[nodiscard]] std::string FormatResult(const worker::TrainingResult& result,
                                       const std::string& job_dir);
// One JSON object, on one line. "final_loss" and "steps_per_second" are null where no step was
// taken.
[[nodiscard]] std::string FormatResultJson(const worker::TrainingResult& result,
                                           const std::string& job_dir);

}  // namespace dime::cli
