// worker/report/metrics_text.h - a job's numbers as Prometheus reads them (text format 0.0.4).
//
// Names and units follow https://prometheus.io/docs/practices/naming: seconds, bytes, and _total
// for what only grows.
#pragma once

#include <string>

#include "worker/report/cluster_report.h"

namespace dime::worker {

[[nodiscard]] std::string FormatMetrics(const ClusterReport& report);

}  // namespace dime::worker
