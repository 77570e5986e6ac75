#include "worker/summaries.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/log.h"
#include "runtime/records/events.h"

namespace dime::worker {

namespace {

using records::EventWriter;
using records::Scalar;

int FindBiasTable(const models::Model& model) {
  const auto& tables = model.tables();
  const auto bias =
      std::ranges::find(tables, "linear/linear_model/bias_weights", &ops::TableSpec::name);
  return bias == tables.end() ? -1 : static_cast<int>(bias - tables.begin());
}

// Replicas report four times a second.
constexpr std::chrono::seconds kBetweenReports{1};

std::vector<Scalar> ReplicaScalars(const ClusterReport& report) {
  std::vector<Scalar> scalars;
  for (const ReplicaReport& replica : report.replicas) {
    const auto add = [&](std::string_view name, double value) {
      scalars.push_back(
          {fmt::format("dime/replica/{}/{}", replica.name, name), static_cast<float>(value)});
    };
    for (int p = 0; p < kNumStepPhases; ++p) {
      const auto phase = static_cast<StepPhase>(p);
      add(fmt::format("{}_seconds", NameOf(phase)), replica.seconds(phase));
    }
    add("parse_cpu_seconds", replica.parse_seconds);
    add("examples_per_second", replica.examples_per_second);
  }
  return scalars;
}

std::vector<Scalar> ServerScalars(const ClusterReport& report) {
  std::vector<Scalar> scalars;
  for (const ServerReport& server : report.servers) {
    const auto add = [&](std::string_view name, auto value) {
      scalars.push_back(
          {fmt::format("dime/server/{}/{}", server.name, name), static_cast<float>(value)});
    };
    add("requests", server.num_requests);
    add("rows_pulled", server.num_rows_pulled);
    add("rows_pushed", server.num_rows_pushed);
    add("received_bytes", server.num_bytes_in);
    add("sent_bytes", server.num_bytes_out);
    add("waiting_pulls", server.num_waiting);
    add("busy_seconds", server.busy_seconds);
  }
  return scalars;
}

// Of counts by whole numbers from 0.
records::Histogram HistogramOf(std::span<const std::int64_t> counts) {
  records::Histogram histogram;
  bool is_first = true;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto value = static_cast<double>(i);
    const auto count = static_cast<double>(counts[i]);
    histogram.bucket_limits.push_back(value + 0.5);
    histogram.buckets.push_back(count);
    if (counts[i] == 0) continue;
    if (std::exchange(is_first, false)) histogram.min = value;
    histogram.max = value;
    histogram.num += count;
    histogram.sum += value * count;
    histogram.sum_squares += value * value * count;
  }
  return histogram;
}

float FractionOfZeros(const std::vector<float>& values) {
  if (values.empty()) return 0;
  return static_cast<float>(std::ranges::count(values, 0.0f)) / static_cast<float>(values.size());
}

}  // namespace

EventLog::EventLog(storage::FileSystem& fs, std::string directory)
    : fs_(fs), directory_(std::move(directory)) {}

EventLog::~EventLog() {
  if (writer_ != nullptr && !failed_) Check(writer_->Close());
}

bool EventLog::Open() {
  if (failed_) return false;
  if (writer_ != nullptr) return true;
  absl::Status status = fs_.CreateDirectories(directory_);
  if (status.ok()) {
    auto writer = EventWriter::Create(fs_, directory_);
    status = writer.status();
    if (writer.ok()) writer_ = *std::move(writer);
  }
  Check(status);
  return status.ok();
}

void EventLog::Finish(const absl::Status& written) {
  Check(written.ok() ? writer_->Flush() : written);
}

void EventLog::Check(const absl::Status& status) {
  if (status.ok()) return;
  failed_ = true;
  base::Log(base::Severity::kError, "no more events are written to {}: {}", directory_,
            base::MessageOf(status));
}

TrainSummaries::TrainSummaries(storage::FileSystem& fs, const std::string& directory,
                               const models::Model& model, std::int64_t every_steps)
    : model_(model),
      every_steps_(every_steps),
      bias_table_(FindBiasTable(model)),
      log_(fs, directory) {}

bool TrainSummaries::AfterStep(const TrainLoop& loop) {
  const bool first = last_step_ < 0;
  if (every_steps_ == 0 || (!first && loop.step() < last_step_ + every_steps_)) return false;
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - last_time_).count();
  const double steps_per_second =
      first ? 0 : static_cast<double>(loop.step() - last_step_) / seconds;
  log_.Add([&](EventWriter& writer) { return WriteStep(loop, steps_per_second, writer); });
  last_step_ = loop.step();
  last_time_ = now;
  return true;
}

void TrainSummaries::AddReport(std::int64_t step, const ClusterReport& report) {
  if (report.servers.empty()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_report_) return;
  next_report_ = now + kBetweenReports;
  std::vector<Scalar> scalars = ReplicaScalars(report);
  std::ranges::move(ServerScalars(report), std::back_inserter(scalars));
  const std::vector<std::int64_t> staleness = report.Staleness();
  log_.Add([&](EventWriter& writer) {
    if (const auto p50 = QuantileOf(staleness, 0.5); p50 && !report.in_common) {
      const auto p99 = QuantileOf(staleness, 0.99).value_or(*p50);
      scalars.push_back({"dime/staleness/p50", static_cast<float>(*p50)});
      scalars.push_back({"dime/staleness/p99", static_cast<float>(p99)});
      DIME_RETURN_IF_ERROR(writer.AddHistogram(step, "dime/staleness", HistogramOf(staleness)));
    }
    return writer.AddScalars(step, scalars);
  });
}

absl::Status TrainSummaries::WriteStep(const TrainLoop& loop, double steps_per_second,
                                       EventWriter& writer) const {
  if (last_step_ < 0) {
    // TensorBoard drops what an earlier run wrote for later steps when it meets START.
    DIME_RETURN_IF_ERROR(writer.AddSessionStatus(loop.step(), records::SessionStatus::kStart,
                                                 /*checkpoint_path=*/""));
  } else {
    const Scalar speed{"global_step/sec", static_cast<float>(steps_per_second)};
    DIME_RETURN_IF_ERROR(writer.AddScalars(loop.step(), {&speed, 1}));
  }
  std::vector<Scalar> scalars;
  for (const models::LayerActivations& layer : loop.Activations()) {
    scalars.push_back({layer.tag + "/fraction_of_zero_values", FractionOfZeros(layer.values)});
    DIME_RETURN_IF_ERROR(writer.AddHistogram(loop.step(), layer.tag + "/activation",
                                             records::MakeHistogram(layer.values)));
  }
  if (bias_table_ >= 0) {
    const std::span<const float> bias = loop.DenseValues(bias_table_);
    if (bias.size() == 1) {
      scalars.push_back({"linear/bias", bias[0]});
    } else {
      DIME_RETURN_IF_ERROR(
          writer.AddHistogram(loop.step(), "linear/bias", records::MakeHistogram(bias)));
    }
  }
  scalars.push_back({"loss", static_cast<float>(loop.loss())});
  if (model_.description().estimator.loss_reduction == models::LossReduction::kSum) {
    scalars.push_back({"average_loss",
                       static_cast<float>(loop.loss() / static_cast<double>(loop.num_examples()))});
  }
  return writer.AddScalars(loop.step(), scalars);
}

void TrainSummaries::AfterCheckpoint(std::int64_t step, const std::string& prefix) {
  log_.Add([&](EventWriter& writer) {
    return writer.AddSessionStatus(step, records::SessionStatus::kCheckpoint, prefix);
  });
}

EvaluationSummaries::EvaluationSummaries(storage::FileSystem& fs, const std::string& job_dir,
                                         const std::string& name)
    : log_(fs, storage::JoinPath(job_dir, name.empty() ? "eval" : "eval_" + name)) {}

void EvaluationSummaries::Add(std::int64_t step, const models::MetricValues& metrics,
                              const std::string& checkpoint) {
  log_.Add([&](EventWriter& writer) {
    std::vector<Scalar> scalars;
    for (const auto& [name, value] : metrics) scalars.push_back({name, static_cast<float>(value)});
    const absl::Status written = writer.AddScalars(step, scalars);
    return written.ok() ? writer.AddText(step, "checkpoint_path", checkpoint) : written;
  });
}

}  // namespace dime::worker
