#include "worker/report/cluster_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "runtime/base/check.h"

namespace dime::worker {
namespace {

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double SecondsABatch(const ReplicaReport& replica, StepPhase phase) {
  return replica.seconds(phase) / static_cast<double>(replica.num_batches);
}

// What of its time a replica does not spend waiting for others, a batch.
double OwnSecondsABatch(const ReplicaReport& replica, bool in_common) {
  double seconds = replica.TotalSeconds();
  if (in_common) seconds -= replica.seconds(StepPhase::kPullWait);
  return seconds / static_cast<double>(replica.num_batches);
}

}  // namespace

std::string_view NameOf(StepPhase phase) {
  switch (phase) {
    case StepPhase::kReadWait:
      return "read_wait";
    case StepPhase::kPushWait:
      return "push_wait";
    case StepPhase::kPullWait:
      return "pull_wait";
    case StepPhase::kCompute:
      return "compute";
  }
  DIME_CHECK(false);
}

double ReplicaReport::TotalSeconds() const {
  return std::accumulate(phase_seconds.begin(), phase_seconds.end(), 0.0);
}

std::vector<std::int64_t> ClusterReport::Staleness() const {
  std::vector<std::int64_t> counts;
  for (const ServerReport& server : servers) {
    counts.resize(std::max(counts.size(), server.staleness.size()));
    std::ranges::transform(server.staleness, counts, counts.begin(), std::plus<>());
  }
  return counts;
}

double ClusterReport::ExamplesPerSecond() const {
  double sum = 0;
  for (const ReplicaReport& replica : replicas) sum += replica.examples_per_second;
  return sum;
}

std::optional<std::int64_t> QuantileOf(std::span<const std::int64_t> counts, double quantile) {
  const std::int64_t all = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  const auto wanted = static_cast<std::int64_t>(std::ceil(quantile * static_cast<double>(all)));
  std::int64_t below = 0;
  for (std::size_t s = 0; s < counts.size(); ++s) {
    below += counts[s];
    if (below > 0 && below >= wanted) return static_cast<std::int64_t>(s);
  }
  return std::nullopt;
}

std::optional<Straggler> FindStraggler(const ClusterReport& report) {
  constexpr double kLeastBehind = 0.1;
  std::vector<const ReplicaReport*> replicas;
  for (const ReplicaReport& replica : report.replicas) {
    if (replica.num_batches > 0) replicas.push_back(&replica);
  }
  if (replicas.size() < 2) return std::nullopt;
  const auto median_of = [&](const auto& seconds) {
    std::vector<double> values;
    for (const ReplicaReport* const replica : replicas) values.push_back(seconds(*replica));
    return Median(std::move(values));
  };
  const auto own = [&](const ReplicaReport& r) { return OwnSecondsABatch(r, report.in_common); };
  const double median = median_of(own);
  const ReplicaReport* const slowest =
      *std::ranges::max_element(replicas, {}, [&](const ReplicaReport* r) { return own(*r); });
  if (!(median > 0) || own(*slowest) < (1 + kLeastBehind) * median) return std::nullopt;
  Straggler straggler{.name = slowest->name, .slower = own(*slowest) / median - 1};
  double most_beyond = -1;
  for (int p = 0; p < kNumStepPhases; ++p) {
    const auto phase = static_cast<StepPhase>(p);
    if (report.in_common && phase == StepPhase::kPullWait) continue;
    const double beyond = SecondsABatch(*slowest, phase) - median_of([&](const ReplicaReport& r) {
                            return SecondsABatch(r, phase);
                          });
    if (beyond <= most_beyond) continue;
    most_beyond = beyond;
    straggler.phase = phase;
    straggler.share_of_time = slowest->seconds(phase) / slowest->TotalSeconds();
  }
  return straggler;
}

std::string FormatStraggler(const Straggler& straggler) {
  std::string phase(NameOf(straggler.phase));
  std::ranges::replace(phase, '_', ' ');
  return fmt::format("{}: {:.0f} % slower than the median, {:.0f} % of its time in {}",
                     straggler.name, straggler.slower * 100, straggler.share_of_time * 100, phase);
}

}  // namespace dime::worker
