#include "ps/server.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "ops/optimizer.h"

namespace dime::ps {

using net::PartOf;

Server::Server(MakeShards make_shards, int num_replicas, Send send)
    : make_shards_(std::move(make_shards)),
      send_(std::move(send)),
      replicas_(static_cast<std::size_t>(num_replicas)) {}

void Server::OnConnected(net::ConnectionId connection, const net::PeerName& peer) {
  peers_[connection] = peer;
  const bool is_replica =
      peer.index < replicas_.size() && peer == NameOfReplica(peer.index, peer.incarnation);
  if (is_replica && peer.incarnation > replicas_[peer.index].incarnation) {
    OnReplicaReplaced(peer.index, peer.incarnation);
  }
}

void Server::OnClosed(net::ConnectionId connection) {
  const std::uint32_t replica = peers_[connection].index;
  peers_.erase(connection);
  std::erase_if(waiting_, [&](const Waiting& w) { return w.connection == connection; });
  hold_.Forget(connection);
  if (connection == saver_) return GiveUpSave();
  if (replica < replicas_.size() && replicas_[replica].connection == connection) {
    OnReplicaGone(replica);
  }
}

absl::Status Server::OnFrame(net::ConnectionId connection, const net::FrameHeader& header,
                             std::span<const std::byte> payload) {
  ++statistics_.num_requests;
  if (const absl::Status status = CheckMaySend(connection, header.type); !status.ok()) {
    SendRefusal(connection, header.request_id, status);
    return absl::OkStatus();
  }
  if (IsStale(connection)) [[unlikely]] {
    SendRefusal(
        connection, header.request_id,
        base::Aborted("another start of replica {} has taken its place", peers_[connection].index));
    return absl::OkStatus();
  }
  if (header.type == static_cast<std::uint8_t>(MessageType::kPrepare)) {
    return OnPrepare(connection, header.request_id, payload);
  }
  if (shards_ == nullptr) {
    SendRefusal(connection, header.request_id,
                base::FailedPrecondition("the master has not prepared this server yet"));
    return absl::OkStatus();
  }
  switch (static_cast<MessageType>(header.type)) {
    case MessageType::kExchange:
      return OnExchange(connection, header.request_id, payload);
    case MessageType::kRead:
      return OnRead(connection, header.request_id, payload);
    case MessageType::kReadShard:
      return OnReadShard(connection, header.request_id, payload);
    case MessageType::kStart:
      return OnStart(connection, header.request_id, payload);
    case MessageType::kLeave:
      if (peers_[connection].index < replicas_.size()) {
        shards_->Leave(static_cast<int>(peers_[connection].index));
      }
      SendEmpty(connection, header.request_id, MessageType::kDone);
      AnswerWaiting();
      return absl::OkStatus();
    case MessageType::kStatistics:
      OnStatistics(connection, header.request_id);
      return absl::OkStatus();
    default:
      return OnCheckpoint(connection, header, payload);
  }
}

absl::Status Server::CheckMaySend(net::ConnectionId connection, std::uint8_t type) const {
  const net::PeerName& peer = peers_.at(connection);
  const PeerRole role{peer.role};
  if (role == PeerRole::kMaster && peer.index == 0) return absl::OkStatus();
  if (role != PeerRole::kWorker) {
    return base::PermissionDenied(
        "a server answers the master and workers, and no peer {} of role {}", peer.index,
        peer.role);
  }
  if (!IsMastersAlone(MessageType{type})) return absl::OkStatus();
  return base::PermissionDenied("message {} is the master's alone, and replica {} is a worker",
                                type, peer.index);
}

absl::Status Server::OnPrepare(net::ConnectionId connection, std::uint64_t request_id,
                               std::span<const std::byte> payload) {
  PayloadReader reader(payload);
  DIME_ASSIGN_OR_RETURN(const auto jobs, reader.Take<JobStart>(1));
  DIME_RETURN_IF_ERROR(reader.ExpectEnd());
  absl::StatusOr<std::unique_ptr<Shards>> shards = make_shards_(jobs.front().seed);
  if (!shards.ok()) {
    SendRefusal(connection, request_id, shards.status());
    return absl::OkStatus();
  }
  EndHold();
  save_.reset();  // It reads from the rows before.
  last_save_.reset();
  shards_ = *std::move(shards);
  has_started_ = false;
  waiting_.clear();
  gradients_.resize(shards_->tables().size());
  hot_rows_.assign(shards_->tables().size(), {});
  converted_.resize(shards_->tables().size());
  previous_values_.resize(shards_->tables().size());
  for (std::size_t r = 0; r < replicas_.size(); ++r) {
    replicas_[r].last_push = 0;
    ForgetPulls(replicas_[r]);
    if (replicas_[r].is_gone) shards_->Leave(static_cast<int>(r));
  }
  SendEmpty(connection, request_id, MessageType::kDone);
  return absl::OkStatus();
}

absl::Status Server::OnStart(net::ConnectionId connection, std::uint64_t request_id,
                             std::span<const std::byte> payload) {
  PayloadReader reader(payload);
  DIME_ASSIGN_OR_RETURN(const auto jobs, reader.Take<JobStart>(1));
  DIME_RETURN_IF_ERROR(reader.ExpectEnd());
  const auto first_step = static_cast<std::int64_t>(jobs.front().first_step);
  if (first_step < 0) return base::DataLoss("training is to begin after step {}", first_step);
  has_started_ = true;
  shards_->set_version(first_step);
  SendEmpty(connection, request_id, MessageType::kDone);
  return absl::OkStatus();
}

absl::Status Server::CheckRows(std::uint32_t table, std::uint32_t part, std::uint64_t first,
                               std::uint64_t count) const {
  if (table >= shards_->tables().size()) {
    return base::DataLoss("table {} of {} is asked for", table, shards_->tables().size());
  }
  const Table& rows = *shards_->tables()[table];
  const auto num_rows = static_cast<std::uint64_t>(rows.num_rows());
  const auto num_parts = static_cast<std::uint32_t>(1 + ops::NumSlots(rows.spec().optimizer.kind));
  if (part < num_parts && first <= num_rows && count <= num_rows - first) return absl::OkStatus();
  return base::DataLoss("rows {} + {} of part {} of table '{}' are asked for; {} are here", first,
                        count, part, rows.spec().name, num_rows);
}

absl::Status Server::OnExchange(net::ConnectionId connection, std::uint64_t request_id,
                                std::span<const std::byte> payload) {
  PayloadReader reader(payload);
  DIME_ASSIGN_OR_RETURN(const auto requests, reader.Take<ExchangeRequest>(1));
  const ExchangeRequest& request = requests.front();
  if (request.replica >= replicas_.size() || request.replica != peers_[connection].index) {
    return base::DataLoss("replica {} speaks for replica {} of {}", peers_[connection].index,
                          request.replica, replicas_.size());
  }
  OnReplicaTrains(request.replica, connection);
  if (request.precision > ops::Precision::kFloat16) {
    return base::DataLoss("values of the unknown precision {}",
                          static_cast<std::uint16_t>(request.precision));
  }
  if (hold_.MustWait(request.replica, request.push_number)) [[unlikely]] {
    hold_.Add({connection,
               request_id,
               request.replica,
               request.push_number,
               {payload.begin(), payload.end()}});
    return absl::OkStatus();
  }
  if (request.push_number > 0) {
    const absl::Status pushed = Push(request, reader);
    if (absl::IsDataLoss(pushed)) return pushed;
    if (!pushed.ok()) {
      SendRefusal(connection, request_id, pushed);
      return absl::OkStatus();
    }
  }
  if (request.pull_number == 0) {
    DIME_RETURN_IF_ERROR(reader.ExpectEnd());
    SendRows(connection, request_id, nullptr);
  } else {
    DIME_ASSIGN_OR_RETURN(Pull* const pull, ReadPull(request, reader));
    if (shards_->MayPull(static_cast<int>(request.replica),
                         static_cast<std::int64_t>(request.pull_step))) {
      SendRows(connection, request_id, pull);
    } else {
      waiting_.push_back(
          {connection, request_id, request.pull_step, request.replica, request.pull_number});
      most_waiting_ = std::max(most_waiting_, waiting_.size());
    }
  }
  if (request.push_number > 0) AnswerWaiting();
  if (due_cut_.has_value()) [[unlikely]]
    CutWhenDue();
  return absl::OkStatus();
}

absl::Status Server::Push(const ExchangeRequest& request, PayloadReader& reader) {
  Replica& replica = replicas_[request.replica];
  const Pull* const pull = FindPull(request.replica, request.pushed_pull);
  if (pull == nullptr) {
    return base::FailedPrecondition("the rows of pull {} of replica {} are not known any more",
                                    request.pushed_pull, request.replica);
  }
  std::uint64_t num_values = 0;
  for (std::size_t t = 0; t < gradients_.size(); ++t) {
    const Table& table = *shards_->tables()[t];
    const std::uint64_t num_rows =
        table.spec().dense ? static_cast<std::uint64_t>(table.num_rows()) : pull->rows[t].size();
    const std::uint64_t count = num_rows * static_cast<std::uint64_t>(table.spec().dim);
    DIME_ASSIGN_OR_RETURN(const std::span<const float> values,
                          TakeGradients(t, count, request.precision, reader));
    gradients_[t] = {pull->rows[t], values};
    num_values += count;
  }
  // What follows begins at a multiple of four bytes.
  if (request.precision != ops::Precision::kFloat32 && num_values % 2 != 0) {
    DIME_RETURN_IF_ERROR(reader.Take<std::uint16_t>(1).status());
  }
  if (request.push_number <= replica.last_push) return absl::OkStatus();  // Sent a second time.
  const auto step = static_cast<std::int64_t>(request.push_step);
  const int micro_batch = static_cast<int>(request.push_micro_batch);
  // What its start before this one had pushed.
  const bool is_there = replica.incarnation > 0 && shards_->HasPush(step, micro_batch);
  if (is_there) {
    replica.last_push = request.push_number;
    return absl::OkStatus();
  }
  DIME_RETURN_IF_ERROR(shards_->Push({.replica = static_cast<int>(request.replica),
                                      .step = step,
                                      .micro_batch = micro_batch,
                                      .pulled_version = pull->version,
                                      .tables = gradients_}));
  replica.last_push = request.push_number;
  for (const TableGradients& gradients : gradients_) {
    statistics_.num_rows_pushed += gradients.rows.size();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::span<const float>> Server::TakeGradients(std::size_t table, std::uint64_t count,
                                                             ops::Precision precision,
                                                             PayloadReader& reader) {
  if (precision == ops::Precision::kFloat32) return reader.Take<float>(count);
  DIME_ASSIGN_OR_RETURN(const auto halves, reader.Take<std::uint16_t>(count));
  std::vector<float>& values = converted_[table];
  values.resize(count);
  ops::FromHalves(precision, halves, values);
  return std::span<const float>(values);
}

Server::Pull* Server::FindPull(std::uint32_t replica, std::uint64_t number) {
  const auto found = std::ranges::find(replicas_[replica].pulls, number, &Pull::number);
  return number == 0 || found == replicas_[replica].pulls.end() ? nullptr : &*found;
}

absl::StatusOr<Server::Pull*> Server::ReadPull(const ExchangeRequest& request,
                                               PayloadReader& reader) {
  Pull& pull = replicas_[request.replica].pulls[request.pull_number % kKeptPulls];
  pull.number = 0;  // Until it is whole.
  const auto& tables = shards_->tables();
  DIME_ASSIGN_OR_RETURN(const auto counts, reader.Take<std::uint32_t>(tables.size()));
  for (std::size_t t = 0; t < tables.size(); ++t) {
    statistics_.num_rows_pulled += counts[t];
    if (shards_->unbounded(t) != nullptr) {
      DIME_RETURN_IF_ERROR(ReadIds(*shards_->unbounded(t), counts[t], reader, pull.rows[t]));
      hot_rows_[t].Add(pull.rows[t]);
      continue;
    }
    DIME_ASSIGN_OR_RETURN(const auto rows, reader.Take<std::uint32_t>(counts[t]));
    if (tables[t]->spec().dense && !rows.empty()) {
      return base::DataLoss("rows of the dense table '{}' are asked for", tables[t]->spec().name);
    }
    const std::int64_t num_rows = tables[t]->num_rows();
    if (std::ranges::any_of(rows, [&](std::uint32_t row) { return row >= num_rows; })) {
      return base::DataLoss("a row of table '{}' is asked for beyond the {} that are here",
                            tables[t]->spec().name, num_rows);
    }
    pull.rows[t].assign(rows.begin(), rows.end());
    hot_rows_[t].Add(pull.rows[t]);
  }
  DIME_RETURN_IF_ERROR(reader.ExpectEnd());
  pull.number = request.pull_number;
  pull.step = static_cast<std::int64_t>(request.pull_step);
  pull.precision = request.precision;
  return &pull;
}

absl::Status Server::ReadIds(const UnboundedTable& table, std::uint32_t count,
                             PayloadReader& reader, std::vector<std::int64_t>& ids) {
  // They may lie anywhere: a table in front may have an odd number of rows of four bytes.
  DIME_ASSIGN_OR_RETURN(const auto bytes,
                        reader.Take<std::byte>(count * std::uint64_t{sizeof(std::int64_t)}));
  ids.resize(count);
  if (count > 0) std::memcpy(ids.data(), bytes.data(), bytes.size());
  if (table.HasIds(ids)) return absl::OkStatus();
  return base::DataLoss("an id of table '{}' is asked for that does not belong here",
                        table.spec().name);
}

void Server::SendRows(net::ConnectionId connection, std::uint64_t request_id, Pull* pull) {
  const RowsReply reply = {.version = static_cast<std::uint64_t>(shards_->version())};
  const ops::Precision precision = pull == nullptr ? ops::Precision::kFloat32 : pull->precision;
  answer_.Begin(std::as_bytes(std::span(&reply, 1)), precision,
                [&](std::span<const iovec> parts, bool last) {
                  send_(connection,
                        {.type = static_cast<std::uint8_t>(MessageType::kRows),
                         .flags = last ? std::uint16_t{0} : net::kFlagMore,
                         .request_id = request_id},
                        parts);
                });
  const bool is_behind = pull != nullptr && shards_->HasPreviousFor(pull->step);
  for (std::size_t t = 0; pull != nullptr && t < shards_->tables().size(); ++t) {
    const Table& table = *shards_->tables()[t];
    if (is_behind) [[unlikely]] {
      AddPreviousRows(t, *pull);
    } else if (table.spec().dense) {
      if (table.num_rows() > 0) answer_.AddAll(table);
    } else {
      answer_.AddRows(shards_->rows(t), pull->rows[t]);
    }
  }
  answer_.Finish();
  if (pull != nullptr) pull->version = shards_->version();
}

absl::Status Server::OnRead(net::ConnectionId connection, std::uint64_t request_id,
                            std::span<const std::byte> payload) {
  PayloadReader reader(payload);
  DIME_ASSIGN_OR_RETURN(const auto requests, reader.Take<RowsRequest>(1));
  DIME_RETURN_IF_ERROR(reader.ExpectEnd());
  const RowsRequest& request = requests.front();
  DIME_RETURN_IF_ERROR(CheckRows(request.table, request.part, request.first, request.count));
  const Table& table = *shards_->tables()[request.table];
  const auto row_bytes = static_cast<std::size_t>(table.spec().dim) * sizeof(float);
  if (request.count > net::kMaxPayloadBytes / row_bytes) {
    return base::DataLoss("{} rows of table '{}' are asked for, more than a message holds",
                          request.count, table.spec().name);
  }
  std::vector<float>& values = read_values_;
  values.resize(request.count * static_cast<std::size_t>(table.spec().dim));
  table.CopyOut(static_cast<int>(request.part), static_cast<std::int64_t>(request.first),
                static_cast<std::int64_t>(request.count), values.data());
  const RowsReply reply = {.version = static_cast<std::uint64_t>(shards_->version())};
  parts_.assign({PartOf(&reply, sizeof(reply)), PartOf(values)});
  send_(connection,
        {.type = static_cast<std::uint8_t>(MessageType::kRows), .request_id = request_id}, parts_);
  return absl::OkStatus();
}

absl::StatusOr<UnboundedTable*> Server::FindShard(const ShardRequest& request) const {
  UnboundedTable* const table =
      request.table < shards_->num_tables() ? shards_->unbounded(request.table) : nullptr;
  if (table == nullptr || !std::ranges::binary_search(table->virtual_shards(),
                                                      static_cast<int>(request.virtual_shard))) {
    return base::DataLoss("shard {} of table {} is asked for, which is not here",
                          request.virtual_shard, request.table);
  }
  return table;
}

absl::Status Server::OnReadShard(net::ConnectionId connection, std::uint64_t request_id,
                                 std::span<const std::byte> payload) {
  PayloadReader reader(payload);
  DIME_ASSIGN_OR_RETURN(const auto requests, reader.Take<ShardRequest>(1));
  DIME_RETURN_IF_ERROR(reader.ExpectEnd());
  DIME_ASSIGN_OR_RETURN(const UnboundedTable* const table, FindShard(requests.front()));
  const ShardRows rows = table->Export(static_cast<int>(requests.front().virtual_shard));
  const ShardReply reply = {.version = static_cast<std::uint64_t>(rows.step),
                            .num_rows = rows.ids.size(),
                            .num_sightings = rows.sightings.size()};
  parts_.assign({PartOf(&reply, sizeof(reply)), PartOf(rows.ids), PartOf(rows.last_updates),
                 PartOf(rows.sightings), PartOf(rows.records)});
  send_(connection,
        {.type = static_cast<std::uint8_t>(MessageType::kShard), .request_id = request_id}, parts_);
  return absl::OkStatus();
}

void Server::OnStatistics(net::ConnectionId connection, std::uint64_t request_id) {
  statistics_.version = static_cast<std::uint64_t>(shards_->version());
  const UnboundedStatistics unbounded = shards_->unbounded_statistics();
  statistics_.num_rows = static_cast<std::uint64_t>(unbounded.rows);
  statistics_.num_admitted = static_cast<std::uint64_t>(unbounded.admitted);
  statistics_.num_expired = static_cast<std::uint64_t>(unbounded.expired);
  statistics_.num_displaced = static_cast<std::uint64_t>(unbounded.displaced);
  statistics_.num_refused = static_cast<std::uint64_t>(unbounded.refused);
  statistics_.num_dropped = static_cast<std::uint64_t>(unbounded.dropped);
  parts_.assign({PartOf(&statistics_, sizeof(statistics_)), PartOf(shards_->staleness())});
  send_(
      connection,
      {.type = static_cast<std::uint8_t>(MessageType::kStatisticsReply), .request_id = request_id},
      parts_);
}

ServerStatistics Server::Statistics() const {
  ServerStatistics statistics{
      .num_requests = static_cast<std::int64_t>(statistics_.num_requests),
      .num_rows_pulled = static_cast<std::int64_t>(statistics_.num_rows_pulled),
      .num_rows_pushed = static_cast<std::int64_t>(statistics_.num_rows_pushed),
      .num_waiting = std::ssize(waiting_),
      .most_waiting = static_cast<std::int64_t>(most_waiting_)};
  if (shards_ == nullptr) return statistics;
  statistics.version = shards_->version();
  statistics.staleness.assign(shards_->staleness().begin(), shards_->staleness().end());
  statistics.hottest = HottestRows();
  statistics.unbounded = shards_->unbounded_statistics();
  return statistics;
}

std::vector<HotRow> Server::HottestRows() const {
  constexpr std::size_t kHottest = 8;
  std::vector<HotRow> hottest;
  for (std::size_t t = 0; t < hot_rows_.size(); ++t) {
    const bool has_ids = shards_->unbounded(t) != nullptr;  // Not numbers of rows.
    for (const HotRows::Entry& entry : hot_rows_[t].Hottest(kHottest)) {
      hottest.push_back({.table = static_cast<std::uint32_t>(t),
                         .id = has_ids ? entry.row : shards_->tables()[t]->IdOf(entry.row),
                         .num_pulls = entry.count});
    }
  }
  std::ranges::stable_sort(hottest, std::ranges::greater(), &HotRow::num_pulls);
  hottest.resize(std::min(hottest.size(), kHottest));
  return hottest;
}

void Server::SendRefusal(net::ConnectionId connection, std::uint64_t request_id,
                         const absl::Status& status) {
  const std::string bytes = EncodeStatus(status);
  const iovec part = PartOf(bytes.data(), bytes.size());
  send_(connection,
        {.type = static_cast<std::uint8_t>(MessageType::kRefused), .request_id = request_id},
        {&part, 1});
}

void Server::SendEmpty(net::ConnectionId connection, std::uint64_t request_id, MessageType type) {
  send_(connection, {.type = static_cast<std::uint8_t>(type), .request_id = request_id}, {});
}

void Server::AnswerWaiting() {
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    if (!shards_->MayPull(static_cast<int>(waiting.replica),
                          static_cast<std::int64_t>(waiting.step))) {
      return false;
    }
    if (Pull* const pull = FindPull(waiting.replica, waiting.pull_number)) {
      SendRows(waiting.connection, waiting.request_id, pull);
    }
    return true;
  });
}

}  // namespace dime::ps
