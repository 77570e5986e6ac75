#include "worker/cluster_store.h"

#include <chrono>
#include <utility>

#include "ps/server_checkpointer.h"
#include "worker/collective/in_process.h"
#include "worker/collective/socket_collective.h"

namespace dime::worker {
namespace {

constexpr std::chrono::seconds kConnectTime{30};

// The master reads its data before it comes.
constexpr std::chrono::minutes kReplicaConnectTime{30};

absl::StatusOr<std::shared_ptr<Collective>> CollectiveOf(const ClusterOptions& cluster,
                                                         const PeerAddresses& peers,
                                                         std::span<net::Listener> listeners,
                                                         const std::stop_token& stop) {
  if (cluster.num_replicas == 1) {
    return std::move(MakeInProcessCollectives(1, std::chrono::milliseconds(0)).front());
  }
  if (!cluster.HasPeers()) return cluster.collective;
  SocketCollectiveOptions options{.rank = cluster.replica,
                                  .addresses = {{}},  // Nobody connects to the master.
                                  .credentials = cluster.credentials,
                                  .connect_time = kReplicaConnectTime,
                                  .stop = cluster.stop,
                                  .stop_connecting = stop};
  options.addresses.insert(options.addresses.end(), peers.workers.begin(), peers.workers.end());
  return ConnectReplicas(listeners, options);
}

}  // namespace

std::vector<ops::TableSpec> TablesOfServers(const models::Model& model, cluster::DenseRows dense) {
  return dense == cluster::DenseRows::kServers ? model.tables() : WithoutDenseRows(model.tables());
}

absl::StatusOr<std::unique_ptr<ClusterStore>> ClusterStore::Connect(
    const models::Model& model, const ClusterOptions& cluster, const PeerAddresses& peers,
    std::span<net::Listener> listeners, std::uint64_t seed, const std::stop_token& stop) {
  auto result = std::make_unique<ClusterStore>();
  result->client_options_ = {
      .credentials = cluster.credentials,
      .self = ps::NameOfReplica(static_cast<std::uint32_t>(cluster.replica), cluster.incarnation),
      .connect_time = kConnectTime,
      .precision = static_cast<ops::Precision>(cluster.wire_precision),
      .stop = cluster.stop};
  result->in_common_ = cluster.in_common();
  ps::ClientOptions first_options = result->client_options_;
  first_options.stop_connecting = stop;
  DIME_ASSIGN_OR_RETURN(
      result->on_servers_,
      ServerStore::Connect(TablesOfServers(model, cluster.dense), peers.servers, first_options));
  if (cluster.dense == cluster::DenseRows::kServers) return result;
  DIME_ASSIGN_OR_RETURN(result->collective_, CollectiveOf(cluster, peers, listeners, stop));
  DIME_ASSIGN_OR_RETURN(
      result->all_reduce_,
      AllReduceStore::Create(model.tables(), seed,
                             ConsistencyOf(cluster, model.description().estimator),
                             *result->on_servers_, *result->collective_));
  return result;
}

ParameterStore& ClusterStore::store() {
  if (all_reduce_ != nullptr) return *all_reduce_;
  return *on_servers_;
}

std::unique_ptr<ps::Checkpointer> ClusterStore::NewCheckpointer(const PeerAddresses& peers) {
  return std::make_unique<ps::ServerCheckpointer>(
      peers.servers, client_options_, /*hold_to_cut=*/!in_common_,
      all_reduce_ != nullptr ? all_reduce_->dense_tables() : std::vector<ps::Table*>());
}

absl::Status ClusterStore::Start(std::int64_t first_step) {
  return all_reduce_ != nullptr ? all_reduce_->Start(first_step) : absl::OkStatus();
}

}  // namespace dime::worker
