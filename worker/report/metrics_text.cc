#include "worker/report/metrics_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

namespace dime::worker {
namespace {

class Page {
 public:
  void Head(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                   type);
  }
  template <typename T>
  void Sample(std::string_view name, std::string_view labels, const T& value) {
    if (labels.empty()) {
      fmt::format_to(std::back_inserter(text_), "{} {}\n", name, value);
    } else {
      fmt::format_to(std::back_inserter(text_), "{}{{{}}} {}\n", name, labels, value);
    }
  }
  template <typename T>
  void Single(std::string_view name, std::string_view type, std::string_view help, const T& value) {
    Head(name, type, help);
    Sample(name, "", value);
  }
  // One sample for each of `parts`, by its name.
  template <typename Part, typename Get>
  void Each(std::string_view name, std::string_view type, std::string_view help,
            std::string_view label, const std::vector<Part>& parts, Get get) {
    if (parts.empty()) return;
    Head(name, type, help);
    for (const Part& part : parts) {
      Sample(name, fmt::format("{}=\"{}\"", label, part.name), get(part));
    }
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

void AddJob(const ClusterReport& report, Page& page) {
  page.Single("dime_global_step", "gauge", "Updates that the parameters hold.", report.step);
  page.Single("dime_last_step", "gauge", "Where training is to end; 0: without end.",
              report.last_step);
  page.Single("dime_steps_per_second", "gauge", "Over the last moments, of all replicas.",
              report.steps_per_second);
  page.Single("dime_examples_per_second", "gauge", "Over the last moments, of all replicas.",
              report.ExamplesPerSecond());
  page.Single("dime_loss", "gauge", "Of the master's newest step.", report.loss);
}

void AddReplicas(const ClusterReport& report, Page& page) {
  const auto each = [&](std::string_view name, std::string_view help, auto get) {
    page.Each(name, "counter", help, "replica", report.replicas, get);
  };
  each("dime_replica_batches_total", "Batches whose gradients were computed.",
       [](const ReplicaReport& r) { return r.num_batches; });
  each("dime_replica_pushes_total", "Batches whose gradients are in the parameters.",
       [](const ReplicaReport& r) { return r.num_pushes; });
  each("dime_replica_examples_total", "Examples of these batches.",
       [](const ReplicaReport& r) { return r.num_examples; });
  each("dime_replica_parse_cpu_seconds_total",
       "CPU time of the threads that read and make batches.",
       [](const ReplicaReport& r) { return r.parse_seconds; });
  constexpr std::string_view kPhases = "dime_replica_phase_seconds_total";
  page.Head(kPhases, "counter", "Where the training thread's time went.");
  for (const ReplicaReport& replica : report.replicas) {
    for (int p = 0; p < kNumStepPhases; ++p) {
      const auto phase = static_cast<StepPhase>(p);
      page.Sample(kPhases, fmt::format("replica=\"{}\",phase=\"{}\"", replica.name, NameOf(phase)),
                  replica.seconds(phase));
    }
  }
}

void AddServers(const ClusterReport& report, Page& page) {
  const auto counter = [&](std::string_view name, std::string_view help, auto get) {
    page.Each(name, "counter", help, "server", report.servers, get);
  };
  const auto gauge = [&](std::string_view name, std::string_view help, auto get) {
    page.Each(name, "gauge", help, "server", report.servers, get);
  };
  counter("dime_server_requests_total", "Messages handled.",
          [](const ServerReport& s) { return s.num_requests; });
  counter("dime_server_rows_pulled_total", "Rows of sparse tables sent.",
          [](const ServerReport& s) { return s.num_rows_pulled; });
  counter("dime_server_rows_pushed_total", "Gradients of rows of sparse tables applied.",
          [](const ServerReport& s) { return s.num_rows_pushed; });
  counter("dime_server_received_bytes_total", "From replicas.",
          [](const ServerReport& s) { return s.num_bytes_in; });
  counter("dime_server_sent_bytes_total", "To replicas.",
          [](const ServerReport& s) { return s.num_bytes_out; });
  counter("dime_server_busy_seconds_total", "Time that was not spent waiting.",
          [](const ServerReport& s) { return s.busy_seconds; });
  gauge("dime_server_waiting_pulls", "Pulls that wait for pushes of others.",
        [](const ServerReport& s) { return s.num_waiting; });
  gauge("dime_server_most_waiting_pulls", "The most of them at once, so far.",
        [](const ServerReport& s) { return s.most_waiting; });
}

void AddStaleness(const ClusterReport& report, Page& page) {
  const std::vector<std::int64_t> counts = report.Staleness();
  if (counts.empty()) return;
  constexpr std::string_view kName = "dime_push_staleness_updates";
  constexpr std::array<std::size_t, 8> kEdges = {0, 1, 2, 4, 8, 16, 32, 63};
  page.Head(kName, "histogram",
            "Updates between the pull of a push's rows and the push; beyond 63 they count as 64.");
  std::int64_t below = 0;
  std::int64_t sum = 0;
  std::size_t edge = 0;
  for (std::size_t s = 0; s < counts.size(); ++s) {
    below += counts[s];
    sum += static_cast<std::int64_t>(s) * counts[s];
    if (edge == kEdges.size() || s != kEdges[edge]) continue;
    page.Sample(fmt::format("{}_bucket", kName), fmt::format("le=\"{}\"", s), below);
    ++edge;
  }
  page.Sample(fmt::format("{}_bucket", kName), "le=\"+Inf\"", below);
  page.Sample(fmt::format("{}_sum", kName), "", sum);
  page.Sample(fmt::format("{}_count", kName), "", below);
}

void AddRecords(const ClusterReport& report, Page& page) {
  if (!report.records) return;
  constexpr std::string_view kName = "dime_record_uses";
  page.Head(kName, "gauge", "Uses of records that this run owes, by how often they took place.");
  page.Sample(kName, "times=\"0\"", report.records->never);
  page.Sample(kName, "times=\"1\"", report.records->once);
  page.Sample(kName, "times=\"2+\"", report.records->repeated);
}

}  // namespace

std::string FormatMetrics(const ClusterReport& report) {
  Page page;
  AddJob(report, page);
  AddReplicas(report, page);
  AddServers(report, page);
  AddStaleness(report, page);
  AddRecords(report, page);
  return std::move(page).text();
}

}  // namespace dime::worker
