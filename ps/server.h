// ps/server.h - a parameter server: answers what workers send, from the rows that it holds.
//
// One thread does it all, from the socket to the row and back. Frames in, frames out: it knows
// connections as numbers only, and can be driven without a network. What steers a job it takes from
// the master alone.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ps/hot_rows.h"
#include "ps/internal/exchange_hold.h"
#include "ps/internal/rows_answer.h"
#include "ps/part_save.h"
#include "ps/server_statistics.h"
#include "ps/shards.h"
#include "ps/wire.h"
#include "runtime/base/status.h"
#include "runtime/net/frame_server.h"

namespace dime::ps {

class Server final : public net::FrameHandler {
 public:
  using Send =
      std::function<void(net::ConnectionId, const net::FrameHeader&, std::span<const iovec>)>;

  // Makes the rows that this server holds, from a job's seed.
  using MakeShards = std::function<absl::StatusOr<std::unique_ptr<Shards>>(std::uint64_t seed)>;

  // There are no rows before the master has said kPrepare. Peers may push if their index, as
  // the handshake has it, is that of one of `num_replicas`.
  Server(MakeShards make_shards, int num_replicas, Send send);

  void OnConnected(net::ConnectionId connection, const net::PeerName& peer) override;
  absl::Status OnFrame(net::ConnectionId connection, const net::FrameHeader& header,
                       std::span<const std::byte> payload) override;
  void OnClosed(net::ConnectionId connection) override;
  void OnTick() override;

  // Without threads, for a caller that calls StepSave(): checkpoints are written piece by piece.
  void WriteInSteps() { writes_in_steps_ = true; }
  // False: there is nothing to write.
  bool StepSave() { return save_ != nullptr && save_->is_writing() && save_->Step(); }

  // Training has begun.
  [[nodiscard]] bool has_started() const { return has_started_; }

  // All but bytes and times, which are those of the connections' server.
  [[nodiscard]] ServerStatistics Statistics() const;

 private:
  // How many of a replica's pulls are kept: a push may be for the last but one.
  static constexpr std::size_t kKeptPulls = 4;

  // Which rows a pull asked for, by table.
  struct Pull {
    std::uint64_t number = 0;
    std::int64_t step = 0;     // For which they are.
    std::int64_t version = 0;  // Of the rows that were sent.
    ops::Precision precision = ops::Precision::kFloat32;
    std::vector<std::vector<std::int64_t>> rows;
  };
  struct Replica {
    std::uint32_t incarnation = 0;     // Older starts of it have no say any more.
    net::ConnectionId connection = 0;  // Over which it trains.
    bool is_gone = false;
    std::uint64_t last_push = 0;
    std::vector<Pull> pulls;
  };
  // A pull that has to wait for pushes of others.
  struct Waiting {
    net::ConnectionId connection = 0;
    std::uint64_t request_id = 0;
    std::uint64_t step = 0;
    std::uint32_t replica = 0;
    std::uint64_t pull_number = 0;
  };

  // Whether a message of this type is the peer's to send.
  [[nodiscard]] absl::Status CheckMaySend(net::ConnectionId connection, std::uint8_t type) const;
  // A replica's newer start takes its place; one that trains is in its place; it is gone.
  void OnReplicaReplaced(std::uint32_t replica, std::uint32_t incarnation);
  void OnReplicaTrains(std::uint32_t replica, net::ConnectionId connection);
  void OnReplicaGone(std::uint32_t replica);
  void ForgetPulls(Replica& replica) const;
  [[nodiscard]] bool IsStale(net::ConnectionId connection) const;

  absl::Status OnPrepare(net::ConnectionId connection, std::uint64_t request_id,
                         std::span<const std::byte> payload);
  absl::Status OnStart(net::ConnectionId connection, std::uint64_t request_id,
                       std::span<const std::byte> payload);
  // Whether rows [first, first + count) are here.
  [[nodiscard]] absl::Status CheckRows(std::uint32_t table, std::uint32_t part, std::uint64_t first,
                                       std::uint64_t count) const;
  absl::Status OnExchange(net::ConnectionId connection, std::uint64_t request_id,
                          std::span<const std::byte> payload);
  absl::Status Push(const ExchangeRequest& request, PayloadReader& reader);
  // A table's gradients, `count` floats.
  absl::StatusOr<std::span<const float>> TakeGradients(std::size_t table, std::uint64_t count,
                                                       ops::Precision precision,
                                                       PayloadReader& reader);
  absl::StatusOr<Pull*> ReadPull(const ExchangeRequest& request, PayloadReader& reader);
  static absl::Status ReadIds(const UnboundedTable& table, std::uint32_t count,
                              PayloadReader& reader, std::vector<std::int64_t>& ids);
  absl::Status OnRead(net::ConnectionId connection, std::uint64_t request_id,
                      std::span<const std::byte> payload);
  absl::Status OnReadShard(net::ConnectionId connection, std::uint64_t request_id,
                           std::span<const std::byte> payload);
  // The table, if it and the shard are here.
  [[nodiscard]] absl::StatusOr<UnboundedTable*> FindShard(const ShardRequest& request) const;
  void OnStatistics(net::ConnectionId connection, std::uint64_t request_id);

  // Checkpoints (server_saves.cc).
  absl::Status OnCheckpoint(net::ConnectionId connection, const net::FrameHeader& header,
                            std::span<const std::byte> payload);
  void OnHold(net::ConnectionId connection, std::uint64_t request_id);
  absl::Status OnCut(net::ConnectionId connection, std::uint64_t request_id,
                     std::span<const std::byte> payload);
  absl::Status OnSave(net::ConnectionId connection, std::uint64_t request_id,
                      std::span<const std::byte> payload);
  void OnSaveState(net::ConnectionId connection, std::uint64_t request_id);
  absl::Status OnLoad(net::ConnectionId connection, std::uint64_t request_id,
                      std::span<const std::byte> payload);
  void CutWhenDue();
  void EndHold();
  void RefuseCut(const absl::Status& status);
  void GiveUpSave();
  void DropIfGivenUp();
  void TakeUp(std::vector<internal::ExchangeHold::Exchange> exchanges);
  [[nodiscard]] std::vector<Table*> tables() const;
  void SendVersion(net::ConnectionId connection, std::uint64_t request_id);

  void SendRows(net::ConnectionId connection, std::uint64_t request_id, Pull* pull);
  void AddPreviousRows(std::size_t table, const Pull& pull);
  void SendRefusal(net::ConnectionId connection, std::uint64_t request_id,
                   const absl::Status& status);
  void SendEmpty(net::ConnectionId connection, std::uint64_t request_id, MessageType type);
  void AnswerWaiting();
  [[nodiscard]] std::vector<HotRow> HottestRows() const;
  [[nodiscard]] Pull* FindPull(std::uint32_t replica, std::uint64_t number);

  MakeShards make_shards_;
  std::unique_ptr<Shards> shards_;  // Null before kPrepare.
  Send send_;
  std::map<net::ConnectionId, net::PeerName> peers_;
  std::vector<Replica> replicas_;
  std::vector<Waiting> waiting_;
  StatisticsReply statistics_;
  std::size_t most_waiting_ = 0;
  std::vector<HotRows> hot_rows_;  // By table.
  bool has_started_ = false;

  internal::ExchangeHold hold_;
  net::Clock::time_point hold_deadline_;
  net::ConnectionId saver_ = 0;  // Who asked for the last hold or cut.
  // The request for a cut that waits for pushes.
  std::optional<std::uint64_t> due_cut_;
  std::unique_ptr<PartSave> save_;           // Null: no cut is under way.
  std::optional<PartSave::Base> last_save_;  // None where the last cut was not written, or no more.
  bool writes_in_steps_ = false;

  // Kept for their memory.
  std::vector<TableGradients> gradients_;
  std::vector<std::vector<float>> converted_;  // By table: gradients that came in 16 bits.
  internal::RowsAnswer answer_;
  std::vector<std::vector<float>> previous_values_;  // By table: of an answer.
  std::vector<float> read_values_;
  std::vector<iovec> parts_;
};

}  // namespace dime::ps
