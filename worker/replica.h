// worker/replica.h - what the processes of a job do that are not its master: workers and parameter
// servers.
//
// Both end by themselves when the job is over or its master is gone, which `member` knows. Threads:
// one call a process.
#pragma once

#include <span>
#include <vector>

#include "models/description.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "worker/cluster_options.h"
#include "worker/coordination/member.h"
#include "worker/coordination/wire.h"
#include "worker/training_job.h"

namespace dime::worker {

// Joins as `self`, waits for the start, reads the data and takes this replica's batches. `listen`:
// where other training replicas connect, if they do; self.addresses becomes where that is.
absl::Status RunWorker(const models::ModelDescription& description, const TrainingOptions& options,
                       std::span<const net::Address> listen, JoinRequest self, Member& member);

struct ServerOptions {
  int server = 0;
  std::vector<net::Address> listen;  // Where; the first address that a client can use counts.
};

// Listens, joins as `self` with its addresses, and serves until the job has ended. Of `cluster` the
// number of servers, the consistency and the credentials count.
absl::Status RunParameterServer(const models::ModelDescription& description,
                                const ClusterOptions& cluster, const ServerOptions& options,
                                JoinRequest self, Member& member);

}  // namespace dime::worker
