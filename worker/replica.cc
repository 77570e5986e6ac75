#include "worker/replica.h"

#include <chrono>
#include <memory>
#include <utility>

#include "models/model.h"
#include "ps/server.h"
#include "runtime/base/log.h"
#include "runtime/base/thread_pool.h"
#include "worker/input/batch_source.h"
#include "worker/input/dataset.h"
#include "worker/input/prefetcher.h"
#include "worker/input/replica_batches.h"
#include "worker/server_store.h"
#include "worker/train_loop.h"

namespace dime::worker {
namespace {

constexpr int kPrefetchDepth = 8;
constexpr std::chrono::seconds kConnectTime{30};
// The master reads its data and a checkpoint first.
constexpr std::chrono::minutes kStartTime{30};
constexpr std::chrono::minutes kAloneTime{1};

// A server that nobody speaks to any more ends by itself.
class WatchedServer final : public net::FrameHandler {
 public:
  WatchedServer(std::unique_ptr<ps::Server> server, net::FrameServer& frames)
      : server_(std::move(server)), frames_(frames) {}

  void OnConnected(net::ConnectionId connection, const net::PeerName& peer) override {
    server_->OnConnected(connection, peer);
  }
  absl::Status OnFrame(net::ConnectionId connection, const net::FrameHeader& header,
                       std::span<const std::byte> payload) override {
    return server_->OnFrame(connection, header, payload);
  }
  void OnClosed(net::ConnectionId connection) override { server_->OnClosed(connection); }
  void OnTick() override {
    had_peers_ = had_peers_ || server_->has_peers();
    const auto patience = had_peers_ ? kAloneTime : kStartTime;
    if (server_->has_peers() || net::Clock::now() < server_->last_heard() + patience) return;
    is_alone_ = true;
    frames_.Stop();
  }

  [[nodiscard]] bool is_alone() const { return is_alone_; }

 private:
  const std::unique_ptr<ps::Server> server_;
  net::FrameServer& frames_;
  bool had_peers_ = false;
  bool is_alone_ = false;
};

absl::StatusOr<Dataset> ReadData(const models::Model& model, const TrainingOptions& options,
                                 std::uint64_t input_memory, base::ThreadPool& pool,
                                 const std::stop_token& stop) {
  DatasetOptions dataset_options{.max_bad_records = options.max_bad_records,
                                 .window_bytes = WindowBytesWithin(input_memory),
                                 .memory_bytes = input_memory,
                                 .scratch_directory = options.job_dir,
                                 .stop = stop};
  return LoadDataset(options.train_files, model.description(), model.encoder(), dataset_options,
                     pool);
}

absl::Status TakeSteps(TrainLoop& loop, std::int64_t num_steps, const std::stop_token& stop) {
  for (std::int64_t left = num_steps; left != 0 && !stop.stop_requested(); --left) {
    DIME_ASSIGN_OR_RETURN(const bool taken, loop.Step());
    if (!taken) break;
  }
  return loop.Flush();
}

}  // namespace

absl::Status RunWorker(const models::ModelDescription& description, const TrainingOptions& options,
                       std::stop_token stop) {
  const ClusterOptions& cluster = options.cluster;
  const models::Model model(description);
  base::ThreadPool pool(options.num_threads);
  DIME_ASSIGN_OR_RETURN(
      const auto store,
      ServerStore::Connect(model.tables(), cluster.servers,
                           {.token = cluster.token,
                            .self = {.index = static_cast<std::uint32_t>(cluster.replica)},
                            .connect_time = kConnectTime}));
  absl::StatusOr<ps::JobStart> start = store->servers().AwaitStart(kStartTime);
  if (!start.ok()) return base::Annotate(start.status(), "waiting for the master to begin");
  DIME_ASSIGN_OR_RETURN(const Dataset data,
                        ReadData(model, options, start->input_memory, pool, stop));

  const auto first_step = static_cast<std::int64_t>(start->first_step);
  const auto last_step = static_cast<std::int64_t>(start->last_step);
  auto source = MakeBatchSource(data.examples, {.batch_size = options.train_batch_size,
                                                .num_epochs = options.num_epochs,
                                                .seed = start->seed,
                                                .order = static_cast<Order>(start->order)});
  Prefetcher batches(model,
                     std::make_unique<ReplicaBatches>(std::move(source), cluster.Share(),
                                                      cluster.FirstBatch(first_step)),
                     /*first_batch=*/0, kPrefetchDepth);
  TrainLoop loop(model, *store, batches, pool, first_step, cluster.Plan());
  const std::int64_t own_steps = last_step > 0 ? cluster.OwnSteps(first_step, last_step) : -1;
  DIME_RETURN_IF_ERROR(TakeSteps(loop, own_steps, stop));
  return store->servers().Leave();
}

absl::Status RunParameterServer(const models::ModelDescription& description,
                                const ClusterOptions& cluster, const ServerOptions& options,
                                std::stop_token stop) {
  const models::Model model(description);
  const ps::Sharding sharding(model.tables(), static_cast<int>(cluster.servers.size()));
  DIME_ASSIGN_OR_RETURN(const auto frames,
                        net::FrameServer::Open(options.listen, cluster.token, {}));
  WatchedServer server(std::make_unique<ps::Server>(
                           [&](std::uint64_t seed) {
                             return ps::Shards::Create(
                                 model.tables(), sharding, options.server, seed,
                                 ConsistencyOf(cluster, description.estimator));
                           },
                           cluster.num_replicas,
                           [&](auto connection, const auto& header, auto parts) {
                             frames->Send(connection, header, parts);
                           },
                           [&] { frames->Stop(); }),
                       *frames);
  DIME_RETURN_IF_ERROR(frames->Run(server, std::move(stop)));
  if (!server.is_alone()) return absl::OkStatus();
  return base::Unavailable("the master and all workers have been gone for {} min",
                           kAloneTime.count());
}

}  // namespace dime::worker
