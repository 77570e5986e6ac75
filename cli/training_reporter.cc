#include "cli/training_reporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "cli/cluster_tables.h"
#include "cli/terminal/table.h"
#include "runtime/base/log.h"

namespace dime::cli {
namespace {

using base::Log;
using base::Severity;

constexpr std::string_view kEvaluating = "evaluating";
constexpr std::string_view kExporting = "exporting";

// What follows the last step.
std::string_view PhaseAfter(const AfterTraining& after_training) {
  if (after_training.evaluates) return kEvaluating;
  return after_training.exports ? kExporting : "";
}

// The metrics with the global step among them, in the order of their names, as TensorFlow's are.
models::MetricValues WithGlobalStep(const worker::TrainingResult& result) {
  models::MetricValues metrics = result.metrics;
  metrics.emplace_back("global_step", static_cast<double>(result.global_step));
  std::ranges::sort(metrics);
  return metrics;
}

std::string FormatMetric(std::string_view name, double value) {
  return name == "global_step" ? fmt::format("{:.0f}", value) : fmt::format("{:.6f}", value);
}

}  // namespace

void TrainingReporter::OnInput(const std::string& which, std::int64_t num_examples,
                               std::int64_t num_bad_records, double seconds) {
  Log(Severity::kInfo, "{} data: {} examples read in {:.2f} s{}", which, num_examples, seconds,
      num_bad_records == 0 ? "" : fmt::format(", {} bad records left out", num_bad_records));
}

void TrainingReporter::OnStart(std::int64_t first_step, std::int64_t last_step) {
  pacer_.emplace(Clock::now());
  last_step_ = last_step;
  if (last_step > 0 && first_step >= last_step) {
    Log(Severity::kInfo,
        "the job has taken {} steps already and was to end at {}: nothing to train; to go on, "
        "raise what ended it (--train-steps or --num-epochs)",
        first_step, last_step);
    ShowPhase(PhaseAfter(after_training_));
    return;
  }
  Log(Severity::kInfo, "{} step {}{}", first_step == 0 ? "training from" : "going on from",
      first_step, last_step > 0 ? fmt::format(" to {}", last_step) : ", without an end");
}

void TrainingReporter::OnProgress(const worker::Progress& progress) {
  constexpr double kWeightOfNews = 0.2;
  const bool is_first = steps_per_second_ == 0;
  const double weight = is_first ? 1 : kWeightOfNews;
  steps_per_second_ += weight * (progress.steps_per_second - steps_per_second_);
  examples_per_second_ += weight * (progress.examples_per_second - examples_per_second_);
  worker::Progress smoothed = progress;
  smoothed.steps_per_second = steps_per_second_;
  smoothed.examples_per_second = examples_per_second_;
  if (status_line_ != nullptr) {
    status_line_->Show(FormatProgressBar(smoothed, status_line_->columns()));
  } else if (pacer_.has_value() && pacer_->IsDue(progress, Clock::now())) {
    Log(Severity::kInfo, "{}", FormatProgress(smoothed));
  }
}

void TrainingReporter::OnCheckpoint(std::int64_t step, const std::string& prefix) {
  const bool is_last = last_step_ > 0 && step >= last_step_;
  ShowPhase(is_last ? PhaseAfter(after_training_) : "");
  Log(Severity::kDebug, "checkpoint of step {}: {}", step, prefix);
}

void TrainingReporter::OnEvaluation(std::int64_t step, const models::MetricValues& metrics) {
  const bool is_last = last_step_ > 0 && step >= last_step_;
  ShowPhase(is_last && after_training_.exports ? kExporting : "");
  std::vector<std::string> words;
  for (const auto& [name, value] : metrics) words.push_back(fmt::format("{} {:.4g}", name, value));
  Log(Severity::kInfo, "evaluation after step {}: {}", step, fmt::join(words, ", "));
}

void TrainingReporter::OnExport(const std::string& path) {
  ShowPhase("");
  Log(Severity::kDebug, "export: {}", path);
}

void TrainingReporter::ShowPhase(std::string_view phase) {
  if (status_line_ != nullptr) status_line_->Show(phase);
}

void TrainingReporter::Finish(const worker::TrainingResult& result) {
  Stop();
  const std::int64_t num_steps = result.global_step - result.first_step;
  if (num_steps > 0) {
    Log(Severity::kInfo,
        "{} steps taken, {} a second between checkpoints, loss of the last one {:.4g}", num_steps,
        FormatRate(result.steps_per_second), result.final_loss);
  }
  if (!result.interrupted) return;
  if (result.checkpoint.empty()) {
    Log(Severity::kWarning, "stopped before the first step; nothing is lost");
  } else {
    Log(Severity::kWarning,
        "stopped at step {}; the checkpoint is {}; the same command again goes on from there",
        result.global_step, result.checkpoint);
  }
}

std::string FormatResult(const worker::TrainingResult& result, const std::string& job_dir) {
  std::string text;
  if (!result.metrics.empty()) {
    std::vector<TableRow> rows;
    for (const auto& [name, value] : WithGlobalStep(result)) {
      rows.push_back({name, FormatMetric(name, value)});
    }
    text += FormatTable(rows) + "\n";
  }
  double total_seconds = 0;
  for (const auto& phase : result.phase_seconds) total_seconds += phase.second;
  std::vector<TableRow> rows = {{"steps", std::to_string(result.global_step)}};
  if (result.steps_per_second > 0) {
    rows.push_back({"speed", fmt::format("{} steps/s between checkpoints; {:.2f} s in all",
                                         FormatRate(result.steps_per_second), total_seconds)});
  }
  if (result.bad_records > 0) rows.push_back({"bad records", std::to_string(result.bad_records)});
  rows.push_back({"checkpoint", result.checkpoint});
  if (!result.export_dir.empty()) rows.push_back({"export", result.export_dir});
  rows.push_back({"curves", "tensorboard --logdir " + job_dir});
  const std::string cluster = FormatCluster(result.report);
  if (!cluster.empty()) text += cluster + "\n";
  return text + FormatTable(rows);
}

std::string FormatResultJson(const worker::TrainingResult& result, const std::string& job_dir) {
  using Json = nlohmann::ordered_json;
  Json metrics = Json::object();
  for (const auto& [name, value] : result.metrics) metrics[name] = value;
  Json seconds = Json::object();
  for (const auto& [phase, value] : result.phase_seconds) seconds[phase] = value;
  const bool has_trained = result.global_step > result.first_step;
  const Json object = {
      {"job_dir", job_dir},
      {"first_step", result.first_step},
      {"global_step", result.global_step},
      {"interrupted", result.interrupted},
      {"final_loss", has_trained ? Json(result.final_loss) : Json()},
      {"metrics", metrics},
      {"checkpoint", result.checkpoint},
      {"export", result.export_dir},
      {"bad_records", result.bad_records},
      {"steps_per_second", has_trained ? Json(result.steps_per_second) : Json()},
      {"seconds", seconds},
      {"cluster", Json::parse(FormatClusterJson(result.report))},
  };
  // Paths need not be UTF-8.
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace dime::cli
