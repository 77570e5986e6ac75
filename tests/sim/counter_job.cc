#include "tests/sim/counter_job.h"

#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "ps/server.h"
#include "ps/snapshot.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/net/frame_server.h"
#include "runtime/storage/file_system.h"

namespace dime::sim {
namespace {

using cluster::Consistency;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kNumCells = 512;  // Several shards.
constexpr std::int64_t kDenseValues = 3;
const net::Credentials kCredentials = {.token = "the token of a simulated job",
                                       .security = net::TransportSecurity::kInsecure};
constexpr std::uint16_t kPort = 2222;
constexpr double kPlanted = 0.05;
constexpr int kMostTries = 10;

std::vector<ops::TableSpec> SpecsOfCells() {
  const ops::OptimizerSpec counting = {.kind = ops::OptimizerKind::kSgd, .learning_rate = 1};
  return {{.name = "cells",
           .shape = {kNumCells, 1},
           .num_rows = kNumCells,
           .dim = 1,
           .optimizer = counting},
          {.name = "dense",
           .shape = {kDenseValues},
           .num_rows = 1,
           .dim = kDenseValues,
           .dense = true,
           .optimizer = counting}};
}

}  // namespace

// Between a server and its connections: where bugs are planted.
class CounterJob::FaultyHandler final : public net::FrameHandler {
 public:
  FaultyHandler(World& world, Plant plant, ps::Server& server, net::FrameServer& frames,
                const bool& must_stop)
      : world_(world), plant_(plant), server_(server), frames_(frames), must_stop_(must_stop) {}

  void OnConnected(net::ConnectionId connection, const net::PeerName& peer) override {
    server_.OnConnected(connection, peer);
  }
  absl::Status OnFrame(net::ConnectionId connection, const net::FrameHeader& header,
                       std::span<const std::byte> payload) override {
    if (IsPushToSpoil(header, payload)) {
      std::vector<std::byte> changed(payload.begin(), payload.end());
      auto& request = *reinterpret_cast<ps::ExchangeRequest*>(changed.data());
      if (plant_ == Plant::kForgottenPush) {
        request.push_number = 1;  // Which it has had: it says so, and does nothing.
      } else {
        request.push_number += 1'000'000;  // It takes it for another one.
        DIME_RETURN_IF_ERROR(server_.OnFrame(connection, header, payload));
      }
      return server_.OnFrame(connection, header, changed);
    }
    return server_.OnFrame(connection, header, payload);
  }
  void OnClosed(net::ConnectionId connection) override { server_.OnClosed(connection); }
  void OnTick() override {
    server_.OnTick();
    if (must_stop_) frames_.Stop();
  }

 private:
  bool IsPushToSpoil(const net::FrameHeader& header, std::span<const std::byte> payload) {
    if (plant_ != Plant::kForgottenPush && plant_ != Plant::kRepeatedPush) return false;
    if (header.type != static_cast<std::uint8_t>(ps::MessageType::kExchange)) return false;
    ps::ExchangeRequest request;
    std::memcpy(&request, payload.data(), sizeof(request));
    return request.push_number > 1 && world_.dice().Chance(kPlanted);
  }

  World& world_;
  const Plant plant_;
  ps::Server& server_;
  net::FrameServer& frames_;
  const bool& must_stop_;
};

CounterJob::CounterJob(World& world, const RunOptions& options, bool is_long)
    : world_(world), plant_(options.plant), is_long_(is_long), specs_(SpecsOfCells()) {
  Dice dice(options.seed, "counter job");
  is_sync_ = dice.Chance(0.4) && !is_long;
  is_one_host_ = dice.Chance(0.2);
  num_workers_ = static_cast<int>(dice.Between(1, 3));
  num_servers_ = static_cast<int>(dice.Between(1, 3));
  num_steps_ = is_long ? dice.Between(10, 40) : dice.Between(2, 12);
  sharding_ = std::make_unique<ps::Sharding>(specs_, num_servers_);
  workers_.resize(static_cast<std::size_t>(num_workers_));
  servers_.resize(static_cast<std::size_t>(num_servers_));
  for (Worker& worker : workers_) {
    worker.acknowledged.resize(kNumCells);
    worker.in_doubt.resize(kNumCells);
  }
  PlaceMarks();
  for (int s = 0; s < num_servers_; ++s) {
    const int host = is_one_host_ ? 1 : 100 + s;
    const auto port = static_cast<std::uint16_t>(kPort + s);
    addresses_.push_back({{.host = fmt::format("10.0.0.{}", host), .port = port}});
  }
}

void CounterJob::PlaceMarks() {
  std::vector<std::int64_t> next(servers_.size(), 0);
  for (Worker& worker : workers_) {
    for (std::size_t s = 0; s < servers_.size(); ++s) {
      while (sharding_->ServerOf(0, next[s]) != static_cast<int>(s)) ++next[s];
      worker.marks.push_back(next[s]++);
    }
  }
}

std::vector<std::int64_t> CounterJob::SomeCells(const Worker& worker) const {
  std::vector<std::int64_t> cells = worker.marks;
  const auto is_mark = [this](std::int64_t cell) {
    return std::ranges::any_of(
        workers_, [&](const Worker& w) { return std::ranges::count(w.marks, cell) > 0; });
  };
  Dice& dice = world_.dice();
  for (std::uint64_t c = dice.Below(60); c < kNumCells; c += 1 + dice.Below(60)) {
    if (const auto cell = static_cast<std::int64_t>(c); !is_mark(cell)) cells.push_back(cell);
  }
  return cells;
}

std::string CounterJob::Describe() const {
  return fmt::format("{} workers, {} servers, {}, {} steps each{}", num_workers_, num_servers_,
                     is_sync_ ? "sync" : "async", num_steps_, is_one_host_ ? ", one host" : "");
}

ps::ClientOptions CounterJob::OptionsOf(std::uint32_t replica) const {
  return {.credentials = kCredentials,
          .self = ps::NameOfReplica(replica),
          .connect_time = seconds(30),
          .answer_time = seconds(30)};
}

void CounterJob::StartServers() {
  for (int s = 0; s < num_servers_; ++s) {
    const auto host = static_cast<std::uint32_t>(is_one_host_ ? 1 : 100 + s);
    servers_[static_cast<std::size_t>(s)].process =
        &world_.Start(fmt::format("ps-{}", s), host, /*may_crash=*/true, [this, s] { Serve(s); });
  }
}

void CounterJob::Serve(int server) {
  const auto frames =
      net::FrameServer::Open(addresses_[static_cast<std::size_t>(server)], kCredentials, {});
  Expect(frames.ok(), "a server listens: " + std::string(frames.status().message()));
  if (!frames.ok()) return;
  Server& self = servers_[static_cast<std::size_t>(server)];
  const ps::ConsistencyOptions consistency = {
      .consistency = {.kind = is_sync_ ? Consistency::Kind::kSync : Consistency::Kind::kAsync},
      .num_replicas = num_workers_ + 1,  // The master is the first one.
      .micro_batches = num_workers_,
      .average = false};
  ps::Server rows(
      [&](std::uint64_t seed) {
        auto shards = ps::Shards::Create(specs_, *sharding_, server, seed, consistency);
        if (shards.ok()) self.shards = shards->get();
        return shards;
      },
      num_workers_ + 1,
      [&](auto connection, const auto& header, auto parts) {
        (*frames)->Send(connection, header, parts);
      });
  FaultyHandler handler(world_, plant_, rows, **frames, servers_stop_);
  const absl::Status served = (*frames)->Run(handler, {});
  Expect(served.ok(), "a server ends well: " + served.ToString());
  if (self.shards == nullptr) return;
  const ps::Table& table = *self.shards->tables()[0];
  self.values.resize(static_cast<std::size_t>(table.num_rows()));
  table.CopyOut(0, 0, table.num_rows(), self.values.data());
  self.has_values = true;
}

void CounterJob::StartWorkers() {
  for (int w = 0; w < num_workers_; ++w) {
    const auto host = static_cast<std::uint32_t>(is_one_host_ ? 1 : 10 + w);
    workers_[static_cast<std::size_t>(w)].process =
        &world_.Start(fmt::format("worker-{}", w), host, /*may_crash=*/true, [this, w] {
          while (!has_begun_) std::this_thread::sleep_for(milliseconds(5));
          absl::Status ended = Work(w);
          workers_[static_cast<std::size_t>(w)].ended = std::move(ended);
        });
  }
}

std::unique_ptr<ps::Client> CounterJob::Connect(std::uint32_t replica, absl::Status* status) {
  auto client = ps::Client::Connect(specs_, *sharding_, addresses_, OptionsOf(replica));
  *status = client.status();
  return client.ok() ? *std::move(client) : nullptr;
}

absl::Status CounterJob::Prepare() {
  absl::Status status;
  const auto client = Connect(/*replica=*/0, &status);
  if (client == nullptr) return status;
  DIME_RETURN_IF_ERROR(client->servers().Prepare({.seed = 7}));
  return client->servers().Start({.seed = 7});
}

// Who starts a job may try again; pushes are never repeated.
void CounterJob::PrepareAndBegin() {
  absl::Status prepared = Prepare();
  for (int i = 1; i < kMostTries && !prepared.ok() && !HasServerCrashed(); ++i) {
    prepared = Prepare();
  }
  has_begun_ = true;
}

absl::Status CounterJob::Work(int worker) {
  absl::Status status;
  const auto client = Connect(static_cast<std::uint32_t>(worker) + 1, &status);
  if (client == nullptr) return status;
  DIME_RETURN_IF_ERROR(DoSteps(worker, *client));
  return client->servers().Leave();
}

absl::Status CounterJob::DoSteps(int worker, ps::Client& client) {
  Worker& self = workers_[static_cast<std::size_t>(worker)];
  Dice& dice = world_.dice();
  ops::Lookups lookups;
  ops::Lookups pushed;
  lookups.tables.resize(specs_.size());
  for (std::int64_t step = 0; step <= num_steps_; ++step) {
    const std::vector<std::int64_t> cells = SomeCells(self);
    pushed = std::exchange(lookups, ops::Lookups{{{cells}, {}}, {}});
    const std::vector<std::int64_t>& counted = pushed.tables[0].ids;
    const ops::Gradients gradients = {
        {std::vector<float>(counted.size(), 1), std::vector<float>(kDenseValues, 1)}};
    const ps::Client::Push push = {
        .gradients = &gradients, .pull = client.PullNumber(), .step = step, .micro_batch = worker};
    const ps::Client::Pull pull = {.lookups = &lookups, .step = step + 1};
    const bool has_push = step > 0;
    const bool has_pull = step < num_steps_;
    if (is_long_) std::this_thread::sleep_for(milliseconds(dice.Below(20)));
    if (has_push) {
      ++self.num_started;
      for (const std::int64_t c : counted) ++self.in_doubt[static_cast<std::size_t>(c)];
    }
    DIME_RETURN_IF_ERROR(
        client.StartExchange(has_push ? &push : nullptr, has_pull ? &pull : nullptr));
    const absl::StatusOr<ops::Rows> rows = client.FinishExchange();
    DIME_RETURN_IF_ERROR(rows.status());
    if (has_push) {
      ++self.num_acknowledged;
      for (const std::int64_t c : counted) {
        --self.in_doubt[static_cast<std::size_t>(c)];
        ++self.acknowledged[static_cast<std::size_t>(c)];
      }
    }
    for (std::size_t i = 0; has_pull && i < cells.size(); ++i) {
      const auto own = static_cast<float>(self.acknowledged[static_cast<std::size_t>(cells[i])]);
      // In sync a step's pushes are seen when all have come, which this one's wait was for.
      Expect(-rows->tables[0][i] >= own,
             fmt::format("worker-{} sees its own acknowledged pushes: cell {} is {} after {}",
                         worker, cells[i], -rows->tables[0][i], own));
    }
    world_.Note("step", worker, step);
  }
  return absl::OkStatus();
}

bool CounterJob::HaveWorkersEnded() const {
  return std::ranges::all_of(workers_, [](const Worker& w) { return w.process->has_ended; });
}

bool CounterJob::HasServerCrashed() const {
  return std::ranges::any_of(servers_, [](const Server& s) { return s.process->has_crashed; });
}

std::vector<std::int64_t> CounterJob::PushesAcknowledged() const {
  std::vector<std::int64_t> counts;
  for (const Worker& worker : workers_) counts.push_back(worker.num_acknowledged);
  return counts;
}

std::vector<std::int64_t> CounterJob::PushesStarted() const {
  std::vector<std::int64_t> counts;
  for (const Worker& worker : workers_) counts.push_back(worker.num_started);
  return counts;
}

void CounterJob::Expect(bool condition, const std::string& what) {
  if (!condition) world_.Fail("it was promised that " + what);
}

std::string CounterJob::CheckWorkers() const {
  for (std::size_t w = 0; w < workers_.size(); ++w) {
    const Worker& worker = workers_[w];
    if (worker.process->has_crashed || !worker.ended.has_value() || worker.ended->ok()) continue;
    const absl::Status& how = *worker.ended;
    const std::string text = fmt::format("worker-{} ended with {}", w, how.ToString());
    if (world_.num_faults() == 0) return text + ", though nothing was wrong";
    if (!absl::StrContains(how.message(), "ps-")) return text + ", which names no server";
    if (!absl::IsUnavailable(how) && !absl::IsDeadlineExceeded(how)) {
      return text + ", which is not what was wrong";
    }
  }
  return "";
}

std::string CounterJob::CheckCounts() const {
  for (std::size_t s = 0; s < servers_.size(); ++s) {
    if (!servers_[s].has_values) continue;
    for (std::int64_t cell = 0; cell < static_cast<std::int64_t>(kNumCells); ++cell) {
      if (sharding_->ServerOf(0, cell) != static_cast<int>(s)) continue;
      std::int64_t least = 0;
      std::int64_t in_doubt = 0;
      for (const Worker& worker : workers_) {
        least += worker.acknowledged[static_cast<std::size_t>(cell)];
        in_doubt += worker.in_doubt[static_cast<std::size_t>(cell)];
      }
      // In sync a step that not all have pushed is not in the rows.
      if (is_sync_ && !std::ranges::all_of(workers_, [&](const Worker& w) {
            return w.num_acknowledged == num_steps_;
          })) {
        in_doubt += least;
        least = 0;
      }
      const auto row = static_cast<std::size_t>(sharding_->LocalRow(0, cell));
      const auto count = static_cast<std::int64_t>(-servers_[s].values[row]);
      if (count >= least && count <= least + in_doubt) continue;
      return fmt::format(
          "cell {} on ps-{} counts {} pushes, where {} were acknowledged and {} more "
          "may have come",
          cell, s, count, least, in_doubt);
    }
  }
  return "";
}

std::string CounterJob::CheckBundle(const std::string& prefix,
                                    const std::vector<std::int64_t>& least,
                                    const std::vector<std::int64_t>& most) const {
  const ps::Sharding whole(specs_, 1);
  const auto shards = ps::Shards::Create(specs_, whole, 0, /*seed=*/7, {});
  std::vector<ps::Table*> tables;
  for (const auto& table : (*shards)->tables()) tables.push_back(table.get());
  const auto bundle = checkpoint::BundleReader::Open(storage::LocalFileSystem(), prefix);
  const absl::Status loaded =
      bundle.ok() ? ps::ReadSnapshot(**bundle, ps::SnapshotParts::kWeightsAndSlots, tables).status()
                  : bundle.status();
  if (!loaded.ok()) return "a published checkpoint does not load: " + loaded.ToString();
  const auto count = [&](std::size_t table, std::int64_t row) {
    std::vector<float> values(static_cast<std::size_t>(specs_[table].dim));
    tables[table]->CopyOut(0, whole.LocalRow(table, row), 1, values.data());
    return static_cast<std::int64_t>(-values[0]);
  };
  std::int64_t fewest = 0;
  std::int64_t total = 0;
  for (std::size_t w = 0; w < workers_.size(); ++w) {
    std::vector<std::int64_t> counts;
    for (const std::int64_t mark : workers_[w].marks) counts.push_back(count(0, mark));
    const auto [low, high] = std::ranges::minmax(counts);
    fewest += low;
    total += high;
    // The last push of a worker that was lost may have reached some servers and not others.
    const bool was_lost = !workers_[w].ended.has_value() || !workers_[w].ended->ok();
    if (high - low > (was_lost ? 1 : 0)) {
      return fmt::format(
          "a published checkpoint has {} pushes of worker-{} of one server, and {} of another", low,
          w, high);
    }
    if (low >= least[w] && high <= most[w]) continue;
    return fmt::format("a published checkpoint has {} pushes of worker-{}, where {} to {} are due",
                       low, w, least[w], most[w]);
  }
  if (count(1, 0) >= fewest && count(1, 0) <= total) return "";
  return fmt::format("a published checkpoint has {} pushes in the dense rows, and {} in the others",
                     count(1, 0), total);
}

}  // namespace dime::sim
