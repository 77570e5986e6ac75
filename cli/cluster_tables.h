// cli/cluster_tables.h - what a cluster's replicas did and where their time went, as tables and as
// JSON.
#pragma once

#include <string>

#include "worker/report/cluster_report.h"

namespace dime::cli {

// A table of those that train, one of the servers, the straggler, staleness, and the uses of
// records; "" for a single process.
[[nodiscard]] std::string FormatCluster(const worker::ClusterReport& report);
// A JSON object: "replicas", "servers", "straggler", "staleness", "records"; null for what there is
// not.
[[nodiscard]] std::string FormatClusterJson(const worker::ClusterReport& report);

}  // namespace dime::cli
