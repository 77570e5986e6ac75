// worker/replica.h - what the processes of a job do that are not its master: workers and parameter
// servers.
//
// Both end by themselves when the job is over or its master is gone. Threads: one call a process.
#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "models/description.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "worker/cluster_options.h"
#include "worker/training_job.h"

namespace dime::worker {

// Waits for the master, reads the data, takes this replica's batches, and leaves.
absl::Status RunWorker(const models::ModelDescription& description, const TrainingOptions& options,
                       std::stop_token stop);

struct ServerOptions {
  int server = 0;
  std::vector<net::Address> listen;  // Where; the first address that a client can use counts.
};

// Serves until the master stops it. Of `cluster` the number of servers, the consistency and the
// token count. kUnavailable when everybody has been gone for a minute.
absl::Status RunParameterServer(const models::ModelDescription& description,
                                const ClusterOptions& cluster, const ServerOptions& options,
                                std::stop_token stop);

}  // namespace dime::worker
