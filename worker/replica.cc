#include "worker/replica.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "models/model.h"
#include "ps/server.h"
#include "runtime/base/log.h"
#include "runtime/base/thread_pool.h"
#include "worker/cluster_store.h"
#include "worker/input/batch_source.h"
#include "worker/input/dataset.h"
#include "worker/input/leased_batches.h"
#include "worker/input/prefetcher.h"
#include "worker/input/replica_batches.h"
#include "worker/report/replica_reporter.h"
#include "worker/report/report_service.h"
#include "worker/report/report_wire.h"
#include "worker/train_loop.h"

namespace dime::worker {
namespace {

constexpr int kPrefetchDepth = 8;
// The master reads its data and a checkpoint first.
constexpr std::chrono::minutes kStartTime{30};

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

absl::StatusOr<std::vector<net::Listener>> ListenAt(std::span<const net::Address> addresses) {
  std::vector<net::Listener> listeners;
  for (const net::Address& address : addresses) {
    DIME_ASSIGN_OR_RETURN(net::Listener listener, net::Listener::Open(address));
    listeners.push_back(std::move(listener));
  }
  return listeners;
}

// Reports what a server has done.
class ReportingServer final : public net::FrameHandler {
 public:
  ReportingServer(ps::Server& server, const net::FrameServer& frames, AskMaster ask,
                  Activity& activity)
      : server_(server), frames_(frames), reporter_(std::move(ask)), activity_(activity) {
    activity_.EnterBeating(kServing);
  }

  void OnConnected(net::ConnectionId connection, const net::PeerName& peer) override {
    server_.OnConnected(connection, peer);
  }
  absl::Status OnFrame(net::ConnectionId connection, const net::FrameHeader& header,
                       std::span<const std::byte> payload) override {
    if (!MayTakeLong(static_cast<ps::MessageType>(header.type))) [[likely]] {
      return server_.OnFrame(connection, header, payload);
    }
    activity_.Enter("making, loading or copying rows");
    const absl::Status handled = server_.OnFrame(connection, header, payload);
    activity_.EnterBeating(kServing);
    return handled;
  }
  void OnClosed(net::ConnectionId connection) override { server_.OnClosed(connection); }
  void OnTick() override {
    activity_.Beat();
    server_.OnTick();
    if (!server_.has_started() || !reporter_.IsDue()) return;
    ps::ServerStatistics statistics = server_.Statistics();
    const net::Traffic& traffic = frames_.traffic();
    statistics.num_bytes_in = static_cast<std::int64_t>(traffic.num_bytes_in);
    statistics.num_bytes_out = static_cast<std::int64_t>(traffic.num_bytes_out);
    statistics.busy_seconds = std::chrono::duration<double>(traffic.busy).count();
    statistics.seconds = std::chrono::duration<double>(net::Clock::now() - start_).count();
    reporter_.Report(EncodeServerReport(statistics));
  }

 private:
  static constexpr char kServing[] = "serving rows";

  static bool MayTakeLong(ps::MessageType type) {
    return type == ps::MessageType::kPrepare || type == ps::MessageType::kLoad ||
           type == ps::MessageType::kCut;
  }

  ps::Server& server_;
  const net::FrameServer& frames_;
  const net::Clock::time_point start_ = net::Clock::now();
  ServerReporter reporter_;
  Activity& activity_;
};

AskMaster AskOver(Member& member) {
  return [&member](std::string_view request) { return member.Ask(kReportService, request); };
}

// The steps that this replica begins after. One that was started again has left a step undone,
// which the others wait for.
absl::StatusOr<std::int64_t> FirstStep(const ClusterOptions& cluster, const JobStart& start,
                                       ps::ServerControl& servers) {
  if (cluster.incarnation == 0 || !cluster.in_common()) {
    return static_cast<std::int64_t>(start.first_step);
  }
  DIME_ASSIGN_OR_RETURN(const auto statistics, servers.ReadStatistics());
  return std::ranges::min_element(statistics, {}, &ps::ServerStatistics::version)->version;
}

absl::Status TakeSteps(TrainLoop& loop, std::int64_t num_steps, const std::stop_token& stop) {
  for (std::int64_t left = num_steps; left != 0 && !stop.stop_requested(); --left) {
    DIME_ASSIGN_OR_RETURN(const bool taken, loop.Step());
    if (!taken) break;
  }
  return stop.stop_requested() ? absl::OkStatus() : loop.Flush();
}

}  // namespace

absl::Status RunWorker(const models::ModelDescription& description, const TrainingOptions& options,
                       std::span<const net::Address> listen, JoinRequest self, Member& member) {
  const ClusterOptions& cluster = options.cluster;
  const std::stop_token stop = member.ended();
  std::vector<net::Listener> listeners;
  if (cluster.HasPeers()) {
    DIME_ASSIGN_OR_RETURN(listeners, ListenAt(listen));
    for (const net::Listener& l : listeners) self.addresses.push_back(l.address());
  }
  DIME_RETURN_IF_ERROR(member.Join(self));
  Activity& activity = member.activity();
  activity.Enter("waiting for the others");
  const models::Model model(description);
  base::ThreadPool pool(options.num_threads);
  DIME_ASSIGN_OR_RETURN(const PeerAddresses peers, member.AwaitPeers());
  DIME_ASSIGN_OR_RETURN(const auto store,
                        ClusterStore::Connect(model, cluster, peers, listeners, /*seed=*/0));
  const absl::StatusOr<JobStart> start = member.AwaitStart(kStartTime);
  if (!start.ok()) return base::Annotate(start.status(), "waiting for the master to begin");
  activity.Enter("reading its data");
  DIME_ASSIGN_OR_RETURN(const Dataset data,
                        ReadData(model, options, start->input_memory, pool, stop));

  DIME_ASSIGN_OR_RETURN(const std::int64_t first_step,
                        FirstStep(cluster, *start, store->servers()));
  const auto last_step = static_cast<std::int64_t>(start->last_step);
  auto source = MakeBatchSource(data.examples, {.batch_size = options.train_batch_size,
                                                .num_epochs = options.num_epochs,
                                                .seed = start->seed,
                                                .order = static_cast<Order>(start->order)});
  ReplicaMeter& meter = store->store().meter();
  meter.AddParse(data.cpu_seconds);
  ReplicaReporter reporter(AskOver(member), meter);
  std::unique_ptr<BatchSource> own;
  std::int64_t own_steps = -1;
  if (cluster.in_common()) {
    own = std::make_unique<ReplicaBatches>(std::move(source), cluster.Share(),
                                           cluster.FirstBatch(first_step));
    if (last_step > 0) own_steps = cluster.OwnSteps(first_step, last_step);
  } else {
    own = std::make_unique<LeasedBatches>(std::move(source),
                                          std::make_unique<LeasesOfMaster>(reporter));
  }
  Prefetcher batches(model, std::move(own), /*first_batch=*/0, kPrefetchDepth, &meter);
  DIME_RETURN_IF_ERROR(store->Start(first_step));
  TrainLoop loop(model, store->store(), batches, pool, first_step, cluster.Plan());
  meter.Start();
  activity.Enter("training");
  DIME_RETURN_IF_ERROR(TakeSteps(loop, own_steps, stop));
  meter.Stop();
  if (stop.stop_requested()) return base::Cancelled("the job has ended");
  DIME_RETURN_IF_ERROR(store->servers().Leave());
  return reporter.ReportNow();
}

absl::Status RunParameterServer(const models::ModelDescription& description,
                                const ClusterOptions& cluster, const ServerOptions& options,
                                JoinRequest self, Member& member) {
  DIME_ASSIGN_OR_RETURN(const auto frames,
                        net::FrameServer::Open(options.listen, cluster.credentials, {}));
  const models::Model model(description);
  const std::vector<ops::TableSpec> tables = TablesOfServers(model, cluster.dense);
  const ps::Sharding sharding(tables, cluster.num_servers);
  ps::Server server(
      [&](std::uint64_t seed) {
        return ps::Shards::Create(tables, sharding, options.server, seed,
                                  ConsistencyOf(cluster, description.estimator));
      },
      cluster.num_replicas,
      [&](auto connection, const auto& header, auto parts) {
        frames->Send(connection, header, parts);
      });
  self.addresses = frames->addresses();
  DIME_RETURN_IF_ERROR(member.Join(self));
  ReportingServer reporting(server, *frames, AskOver(member), member.activity());
  DIME_RETURN_IF_ERROR(frames->Run(reporting, member.ended()));
  return member.AwaitPeers().status();  // Which is an error for who may not join.
}

}  // namespace dime::worker
