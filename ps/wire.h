// ps/wire.h - what workers and parameter servers say to each other. WIRE.md has the bytes.
//
// Structs go over the wire as they lie in memory: fixed sizes, little-endian, no padding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ops/half.h"
#include "runtime/base/status.h"
#include "runtime/net/handshake.h"

namespace dime::ps {

// Numbers that are left out had a meaning once.
enum class MessageType : std::uint8_t {
  kExchange = net::kFirstFreeType,  // ExchangeRequest, gradients, counts, rows.
  kRows,                            // RowsReply, values.
  kRefused,                         // RefusedReply, a text.
  kLeave,                           // Nothing: this replica pushes no more. Answered by kDone.
  kRead,                            // RowsRequest. Answered by kRows.
  kStatistics = 22,                 // Nothing. Answered by kStatisticsReply.
  kStatisticsReply,                 // StatisticsReply, counts of staleness.
  kDone,                            // Nothing.
  kPrepare,                         // JobStart: make the rows. Answered by kDone.
  kStart = 27,                      // JobStart: training begins. Answered by kDone.
  kHold = 30,                       // Nothing: put off exchanges. Answered by kHeld.
  kHeld,                            // VersionReply, the number of each replica's last push.
  kCut,             // For each replica a push number, or nothing. Answered by kVersion after these.
  kVersion,         // VersionReply.
  kSave,            // SaveRequest, a path: write what was cut. Answered by kDone.
  kSaveState,       // Nothing. Answered by kSaved, or with what went wrong.
  kSaved,           // SaveStateReply, entries of the index if all is written.
  kGiveUpSave,      // Nothing: no hold, no cut, no writing any more. Answered by kDone.
  kLoad,            // A path: fill the rows. Answered by kVersion.
  kReadShard = 64,  // ShardRequest. Answered by kShard.
  kShard,           // ShardReply, ids, last updates, sightings, records.
};

// Who a peer says it is in the handshake, as PeerName::role; its index is which of the replicas
// that push it is, and the master's is 0.
enum class PeerRole : std::uint32_t { kMaster, kWorker };

[[nodiscard]] constexpr net::PeerName NameOfReplica(std::uint32_t index,
                                                    std::uint32_t incarnation = 0) {
  const PeerRole role = index == 0 ? PeerRole::kMaster : PeerRole::kWorker;
  return {.role = static_cast<std::uint32_t>(role), .index = index, .incarnation = incarnation};
}

// What steers the job or its checkpoints: a worker that sends it is refused.
[[nodiscard]] constexpr bool IsMastersAlone(MessageType type) {
  switch (type) {
    case MessageType::kPrepare:
    case MessageType::kStart:
    case MessageType::kHold:
    case MessageType::kCut:
    case MessageType::kSave:
    case MessageType::kSaveState:
    case MessageType::kGiveUpSave:
    case MessageType::kLoad:
      return true;
    default:
      return false;
  }
}

// A push, a pull, or both.
struct ExchangeRequest {
  std::uint64_t push_number = 0;  // From 1, by replica; 0: no push. A number is applied once only.
  std::uint64_t push_step = 0;    // sync: of which step the gradients are.
  std::uint64_t pushed_pull = 0;  // The number of the pull that said the gradients' rows.
  std::uint64_t pull_number = 0;  // From 1, by replica; 0: no pull.
  std::uint64_t pull_step = 0;    // For which step the rows are; 0: not to train, as they are.
  std::uint32_t push_micro_batch = 0;
  std::uint16_t replica = 0;
  ops::Precision precision = ops::Precision::kFloat32;  // Of gradients, and of the rows asked for.
};
static_assert(sizeof(ExchangeRequest) == 48);

struct RowsReply {
  std::uint64_t version = 0;  // How many updates the rows hold.
  std::uint64_t reserved = 0;
};
static_assert(sizeof(RowsReply) == 16);

// Rows [first, first + count) of those that the server holds of a table, to be read.
struct RowsRequest {
  std::uint32_t table = 0;
  std::uint32_t part = 0;  // 0: the weights; else slot part - 1.
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
static_assert(sizeof(RowsRequest) == 24);

// A virtual shard of an unbounded table.
struct ShardRequest {
  std::uint32_t table = 0;
  std::uint32_t virtual_shard = 0;
};
static_assert(sizeof(ShardRequest) == 8);

struct ShardReply {
  std::uint64_t version = 0;
  std::uint64_t num_rows = 0;
  std::uint64_t num_sightings = 0;
};
static_assert(sizeof(ShardReply) == 24);

// What the master decides before training begins.
struct JobStart {
  std::uint64_t seed = 0;        // kPrepare.
  std::uint64_t first_step = 0;  // kStart: how many steps the rows hold.
};
static_assert(sizeof(JobStart) == 16);

struct StatisticsReply {
  std::uint64_t version = 0;
  std::uint64_t num_requests = 0;
  std::uint64_t num_rows_pulled = 0;
  std::uint64_t num_rows_pushed = 0;
  // Of unbounded tables, as in UnboundedStatistics.
  std::uint64_t num_rows = 0;
  std::uint64_t num_admitted = 0;
  std::uint64_t num_expired = 0;
  std::uint64_t num_displaced = 0;
  std::uint64_t num_refused = 0;
  std::uint64_t num_dropped = 0;
};
static_assert(sizeof(StatisticsReply) == 80);

struct VersionReply {
  std::uint64_t version = 0;  // How many updates the rows hold.
};
static_assert(sizeof(VersionReply) == 8);

// Which data file of a bundle the server is to write, and of unbounded tables what has changed
// since the checkpoint of which step, if it knows that.
inline constexpr std::uint64_t kNoBaseStep = ~std::uint64_t{0};  // All rows.
struct SaveRequest {
  std::uint64_t global_step = 0;
  std::uint32_t part = 0;
  std::uint32_t num_parts = 0;
  std::uint64_t base_step = kNoBaseStep;
};
static_assert(sizeof(SaveRequest) == 24);

struct SaveStateReply {
  std::uint64_t is_written = 0;       // 1: all is on disk.
  std::uint64_t peak_copy_bytes = 0;  // What training on took in memory, at most.
};
static_assert(sizeof(SaveStateReply) == 16);

inline constexpr std::size_t kMaxPathBytes = 4096;

// What a refusal holds, and back.
[[nodiscard]] std::string EncodeStatus(const absl::Status& status);
[[nodiscard]] absl::Status DecodeStatus(std::string_view bytes);

// Takes values off the front of a payload.
class PayloadReader {
 public:
  explicit PayloadReader(std::span<const std::byte> payload) : left_(payload) {}

  // kDataLoss when there are fewer bytes than that.
  template <typename T>
  absl::StatusOr<std::span<const T>> Take(std::uint64_t count) {
    if (count > left_.size() / sizeof(T)) {
      return base::DataLoss("a message ends before its {} values of {} bytes", count, sizeof(T));
    }
    const std::span<const T> values(reinterpret_cast<const T*>(left_.data()),
                                    static_cast<std::size_t>(count));
    left_ = left_.subspan(values.size_bytes());
    return values;
  }
  // kDataLoss when bytes are left.
  [[nodiscard]] absl::Status ExpectEnd() const;

 private:
  std::span<const std::byte> left_;
};

}  // namespace dime::ps
