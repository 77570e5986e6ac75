// worker/cluster_store.h - the parameter store of a training replica that has parameter servers:
// all rows on them, or the sparse ones alone.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "models/model.h"
#include "ops/table.h"
#include "ps/checkpointer.h"
#include "runtime/base/status.h"
#include "runtime/net/socket.h"
#include "worker/all_reduce_store.h"
#include "worker/cluster_options.h"
#include "worker/collective/collective.h"
#include "worker/coordination/wire.h"
#include "worker/parameter_store.h"
#include "worker/server_store.h"

namespace dime::worker {

// The model's tables with the rows that parameter servers have of them.
[[nodiscard]] std::vector<ops::TableSpec> TablesOfServers(const models::Model& model,
                                                          cluster::DenseRows dense);

class ClusterStore {
 public:
  // Connects to the servers, and, if need be, to the other training replicas, once all are in
  // place. `listeners`: where those come that connect here. `seed` decides the first values of the
  // rows that replicas keep; the master's counts. kCancelled when `stop` or the cluster's is asked
  // for.
  static absl::StatusOr<std::unique_ptr<ClusterStore>> Connect(
      const models::Model& model, const ClusterOptions& cluster, const PeerAddresses& peers,
      std::span<net::Listener> listeners, std::uint64_t seed, const std::stop_token& stop = {});

  [[nodiscard]] ParameterStore& store();
  [[nodiscard]] ps::ServerControl& servers() { return on_servers_->servers(); }

  // The master's: of all rows, on servers and here.
  [[nodiscard]] std::unique_ptr<ps::Checkpointer> NewCheckpointer(const PeerAddresses& peers);

  // Training begins; all training replicas call it, and hold the same rows afterwards.
  absl::Status Start(std::int64_t first_step);

 private:
  ps::ClientOptions client_options_;
  bool in_common_ = true;
  std::shared_ptr<Collective> collective_;
  std::unique_ptr<ServerStore> on_servers_;
  std::unique_ptr<AllReduceStore> all_reduce_;  // Null: all rows are on servers.
};

}  // namespace dime::worker
