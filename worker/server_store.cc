#include "worker/server_store.h"

#include <utility>

namespace dime::worker {

ServerStore::ServerStore(std::vector<ops::TableSpec> specs, int num_servers)
    : specs_(std::move(specs)), sharding_(specs_, num_servers) {}

absl::StatusOr<std::unique_ptr<ServerStore>> ServerStore::Connect(
    const std::vector<ops::TableSpec>& specs, std::span<const std::vector<net::Address>> servers,
    const ps::ClientOptions& options) {
  std::unique_ptr<ServerStore> store(new ServerStore(specs, static_cast<int>(servers.size())));
  DIME_ASSIGN_OR_RETURN(store->client_,
                        ps::Client::Connect(store->specs_, store->sharding_, servers, options));
  return store;
}

absl::StatusOr<ops::Rows> ServerStore::Exchange(const Push* push, const Pull& pull) {
  DIME_RETURN_IF_ERROR(StartExchange(push, pull));
  meter().Lap(StepPhase::kPushWait);
  return FinishExchange();
}

absl::Status ServerStore::StartExchange(const Push* push, const Pull& pull) {
  ps::Client::Push pushed;
  if (push != nullptr) {
    pushed = {.gradients = push->gradients,
              .pull = pulls_[static_cast<std::size_t>(push->pulls_ago)],
              .step = push->step,
              .micro_batch = push->micro_batch};
  }
  const ps::Client::Pull pulled = {.lookups = pull.lookups, .step = pull.step};
  DIME_RETURN_IF_ERROR(client_->StartExchange(push != nullptr ? &pushed : nullptr,
                                              pull.lookups != nullptr ? &pulled : nullptr));
  if (pull.lookups != nullptr) pulls_ = {client_->PullNumber(), pulls_[0]};
  return absl::OkStatus();
}

absl::StatusOr<ops::Rows> ServerStore::FinishExchange() { return client_->FinishExchange(); }

absl::Status ServerStore::Rows::ReadRows(std::size_t table, int part, std::int64_t first,
                                         std::int64_t count, std::span<float> out) {
  return store_.client_->servers().ReadRows(table, part, first, count, out);
}

absl::StatusOr<ps::ShardRows> ServerStore::Rows::ReadShard(std::size_t table, int virtual_shard) {
  return store_.client_->servers().ReadShard(table, virtual_shard);
}

}  // namespace dime::worker
