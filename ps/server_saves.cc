// A server's part in checkpoints.
#include <algorithm>
#include <chrono>
#include <utility>

#include "ps/server.h"
#include "ps/snapshot.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/storage/file_system.h"

namespace dime::ps {
namespace {

using net::PartOf;

// What a hold waits for is on its way from replicas that live. A master that waits for an answer is
// more patient.
constexpr std::chrono::seconds kLongestHold{5};

absl::StatusOr<std::string> TakePath(PayloadReader& reader, std::size_t num_bytes) {
  if (num_bytes == 0 || num_bytes > kMaxPathBytes) {
    return base::DataLoss("a path of {} bytes", num_bytes);
  }
  DIME_ASSIGN_OR_RETURN(const auto bytes, reader.Take<char>(num_bytes));
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace

absl::Status Server::OnCheckpoint(net::ConnectionId connection, const net::FrameHeader& header,
                                  std::span<const std::byte> payload) {
  switch (static_cast<MessageType>(header.type)) {
    case MessageType::kHold:
      OnHold(connection, header.request_id);
      return absl::OkStatus();
    case MessageType::kCut:
      return OnCut(connection, header.request_id, payload);
    case MessageType::kSave:
      return OnSave(connection, header.request_id, payload);
    case MessageType::kSaveState:
      OnSaveState(connection, header.request_id);
      return absl::OkStatus();
    case MessageType::kGiveUpSave:
      GiveUpSave();
      SendEmpty(connection, header.request_id, MessageType::kDone);
      return absl::OkStatus();
    case MessageType::kLoad:
      return OnLoad(connection, header.request_id, payload);
    default:
      return base::DataLoss("a message of the unknown type {}", header.type);
  }
}

void Server::OnHold(net::ConnectionId connection, std::uint64_t request_id) {
  hold_.Begin();
  hold_deadline_ = net::Clock::now() + kLongestHold;
  saver_ = connection;
  const VersionReply reply = {.version = static_cast<std::uint64_t>(shards_->version())};
  std::vector<std::uint64_t> last_pushes;
  for (const Replica& replica : replicas_) {
    last_pushes.push_back(replica.is_gone ? 0 : replica.last_push);
  }
  parts_.assign({PartOf(&reply, sizeof(reply)),
                 PartOf(last_pushes.data(), last_pushes.size() * sizeof(std::uint64_t))});
  send_(connection,
        {.type = static_cast<std::uint8_t>(MessageType::kHeld), .request_id = request_id}, parts_);
}

absl::Status Server::OnCut(net::ConnectionId connection, std::uint64_t request_id,
                           std::span<const std::byte> payload) {
  if (!payload.empty() && payload.size() != replicas_.size() * sizeof(std::uint64_t)) {
    return base::DataLoss("a cut after the pushes of {} replicas of {}",
                          payload.size() / sizeof(std::uint64_t), replicas_.size());
  }
  if (save_ != nullptr && save_->is_writing()) {
    EndHold();
    SendRefusal(connection, request_id,
                base::ResourceExhausted("the checkpoint before is still being written"));
    return absl::OkStatus();
  }
  if (!payload.empty() && !hold_.is_on()) {
    SendRefusal(connection, request_id,
                base::DeadlineExceeded("exchanges were held for {} s", kLongestHold.count()));
    return absl::OkStatus();
  }
  save_.reset();
  saver_ = connection;
  due_cut_ = request_id;
  if (!payload.empty()) {
    PayloadReader reader(payload);
    DIME_ASSIGN_OR_RETURN(const auto last_pushes, reader.Take<std::uint64_t>(replicas_.size()));
    hold_.LetThrough(last_pushes);
    for (std::uint32_t r = 0; r < replicas_.size(); ++r) {
      if (replicas_[r].is_gone) hold_.LetNothingThroughOf(r);
    }
    TakeUp(hold_.TakeReady());
  }
  CutWhenDue();
  return absl::OkStatus();
}

void Server::CutWhenDue() {
  const auto wanted = hold_.last_pushes();
  for (std::size_t r = 0; r < wanted.size(); ++r) {
    if (replicas_[r].last_push < wanted[r]) return;
  }
  if (!due_cut_.has_value()) return;
  save_ = std::make_unique<PartSave>(tables(), PartSave::Layout::kShards, shards_->all_unbounded(),
                                     std::exchange(last_save_, std::nullopt));
  SendVersion(saver_, *std::exchange(due_cut_, std::nullopt));
  EndHold();
}

void Server::EndHold() {
  due_cut_.reset();
  TakeUp(hold_.End());
}

void Server::TakeUp(std::vector<internal::ExchangeHold::Exchange> exchanges) {
  for (const internal::ExchangeHold::Exchange& exchange : exchanges) {
    if (!peers_.contains(exchange.connection) || IsStale(exchange.connection)) continue;
    const absl::Status taken =
        OnExchange(exchange.connection, exchange.request_id, exchange.payload);
    if (!taken.ok()) SendRefusal(exchange.connection, exchange.request_id, taken);
  }
}

void Server::GiveUpSave() {
  EndHold();
  if (save_ == nullptr) return;
  save_->Cancel();
  DropIfGivenUp();
}

// What is being written is waited for elsewhere: a disk may be slow.
void Server::DropIfGivenUp() {
  if (save_ != nullptr && save_->is_given_up()) save_.reset();
}

void Server::OnTick() {
  DropIfGivenUp();
  if (!hold_.is_on() || net::Clock::now() < hold_deadline_) return;
  const auto wanted = hold_.last_pushes();
  for (std::size_t r = 0; r < wanted.size(); ++r) {
    if (replicas_[r].last_push >= wanted[r]) continue;
    RefuseCut(base::DeadlineExceeded("push {} of replica {} has not come within {} s", wanted[r], r,
                                     kLongestHold.count()));
  }
  EndHold();
}

void Server::RefuseCut(const absl::Status& status) {
  if (!due_cut_.has_value()) return;
  SendRefusal(saver_, *std::exchange(due_cut_, std::nullopt), status);
}

absl::Status Server::OnSave(net::ConnectionId connection, std::uint64_t request_id,
                            std::span<const std::byte> payload) {
  PayloadReader reader(payload);
  DIME_ASSIGN_OR_RETURN(const auto requests, reader.Take<SaveRequest>(1));
  const SaveRequest& request = requests.front();
  DIME_ASSIGN_OR_RETURN(std::string prefix, TakePath(reader, payload.size() - sizeof(request)));
  if (save_ == nullptr || save_->has_begun()) {
    SendRefusal(connection, request_id, base::Aborted("there is no cut to be written"));
    return absl::OkStatus();
  }
  const absl::StatusOr<storage::FileSystem*> files = storage::FileSystemFor(prefix);
  absl::Status begun = files.status();
  std::optional<std::int64_t> base_step;
  if (request.base_step != kNoBaseStep) base_step = static_cast<std::int64_t>(request.base_step);
  if (begun.ok()) {
    begun = save_->Begin({.files = *files,
                          .prefix = std::move(prefix),
                          .part = static_cast<int>(request.part),
                          .num_parts = static_cast<int>(request.num_parts),
                          .global_step = static_cast<std::int64_t>(request.global_step),
                          .base_step = base_step});
  }
  if (!begun.ok()) {
    SendRefusal(connection, request_id, begun);
    return absl::OkStatus();
  }
  if (!writes_in_steps_) save_->StartThread();
  SendEmpty(connection, request_id, MessageType::kDone);
  return absl::OkStatus();
}

void Server::OnSaveState(net::ConnectionId connection, std::uint64_t request_id) {
  if (save_ == nullptr || !save_->has_begun()) {
    SendRefusal(connection, request_id, base::Aborted("no checkpoint is being written"));
    return;
  }
  SaveStateReply reply;
  std::string entries;
  if (save_->is_over()) {
    if (!save_->entries().ok()) {
      SendRefusal(connection, request_id, save_->entries().status());
      save_.reset();
      return;
    }
    reply = {.is_written = 1, .peak_copy_bytes = save_->peak_copy_bytes()};
    entries = *save_->entries();
    last_save_ = save_->AsBase();
    save_.reset();
  }
  parts_.assign({PartOf(&reply, sizeof(reply)), PartOf(entries.data(), entries.size())});
  send_(connection,
        {.type = static_cast<std::uint8_t>(MessageType::kSaved), .request_id = request_id}, parts_);
}

absl::Status Server::OnLoad(net::ConnectionId connection, std::uint64_t request_id,
                            std::span<const std::byte> payload) {
  PayloadReader reader(payload);
  DIME_ASSIGN_OR_RETURN(const std::string prefix, TakePath(reader, payload.size()));
  last_save_.reset();
  const auto load = [&]() -> absl::StatusOr<std::int64_t> {
    DIME_ASSIGN_OR_RETURN(storage::FileSystem* const files, storage::FileSystemFor(prefix));
    DIME_ASSIGN_OR_RETURN(const auto bundle, checkpoint::BundleReader::Open(*files, prefix));
    return ReadSnapshot(*bundle, SnapshotParts::kWeightsAndSlots, tables(),
                        shards_->all_unbounded());
  };
  absl::StatusOr<std::int64_t> step = load();
  if (step.ok() && *step < 0) step = base::DataLoss("{}: it holds {} steps", prefix, *step);
  if (!step.ok()) {
    SendRefusal(connection, request_id, step.status());
    return absl::OkStatus();
  }
  shards_->set_version(*step);
  SendVersion(connection, request_id);
  return absl::OkStatus();
}

void Server::SendVersion(net::ConnectionId connection, std::uint64_t request_id) {
  const VersionReply reply = {.version = static_cast<std::uint64_t>(shards_->version())};
  const iovec part = PartOf(&reply, sizeof(reply));
  send_(connection,
        {.type = static_cast<std::uint8_t>(MessageType::kVersion), .request_id = request_id},
        {&part, 1});
}

std::vector<Table*> Server::tables() const {
  std::vector<Table*> tables;
  for (const auto& table : shards_->tables()) tables.push_back(table.get());
  return tables;
}

}  // namespace dime::ps
