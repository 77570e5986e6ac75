#include "worker/report/report_wire.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "ps/wire.h"

namespace dime::worker {
namespace {

struct ServerReportHead {
  std::int64_t version = 0;
  std::int64_t num_requests = 0;
  std::int64_t num_rows_pulled = 0;
  std::int64_t num_rows_pushed = 0;
  std::int64_t num_bytes_in = 0;
  std::int64_t num_bytes_out = 0;
  std::int64_t num_waiting = 0;
  std::int64_t most_waiting = 0;
  double busy_seconds = 0;
  double seconds = 0;
  std::uint32_t num_staleness = 0;
  std::uint32_t num_hottest = 0;
};
static_assert(sizeof(ServerReportHead) == 88);

struct HotRowOnWire {
  std::uint64_t table = 0;
  std::int64_t id = 0;
  std::int64_t num_pulls = 0;
};
static_assert(sizeof(HotRowOnWire) == 24);

template <typename T>
void Append(const T& value, std::string& bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

bool IsDuration(double seconds) { return std::isfinite(seconds) && seconds >= 0; }

}  // namespace

ReplicaReportMessage MakeReplicaReport(const ReplicaMeter& meter) {
  ReplicaReportMessage message{
      // Pushes first: there are never more of them than batches.
      .num_pushes = static_cast<std::uint64_t>(meter.num_pushes()),
      .parse_seconds = meter.parse_seconds(),
  };
  message.num_batches = static_cast<std::uint64_t>(meter.num_batches());
  message.num_examples = static_cast<std::uint64_t>(meter.num_examples());
  message.batches_per_second = meter.BatchesPerSecond();
  for (int p = 0; p < kNumStepPhases; ++p) {
    message.phase_seconds[static_cast<std::size_t>(p)] = meter.seconds(static_cast<StepPhase>(p));
  }
  return message;
}

std::string Encode(const ReplicaReportMessage& message) {
  std::string bytes;
  Append(message, bytes);
  return bytes;
}

absl::StatusOr<ReplicaReportMessage> DecodeReplicaReport(std::span<const std::byte> payload) {
  if (payload.size() != sizeof(ReplicaReportMessage)) {
    return base::DataLoss("a report of {} bytes", payload.size());
  }
  ReplicaReportMessage message;
  std::memcpy(&message, payload.data(), sizeof(message));
  bool sound = IsDuration(message.parse_seconds) && IsDuration(message.batches_per_second);
  for (const double seconds : message.phase_seconds) sound = sound && IsDuration(seconds);
  if (!sound) return base::DataLoss("a report of times that are none");
  return message;
}

std::string EncodeLease(const std::optional<BatchRange>& lease) {
  std::string bytes;
  if (!lease) return bytes;
  Append(lease->first, bytes);
  Append(lease->end, bytes);
  return bytes;
}

absl::StatusOr<std::optional<BatchRange>> DecodeLease(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  BatchRange lease;
  if (bytes.size() == sizeof(lease.first) + sizeof(lease.end)) {
    std::memcpy(&lease.first, bytes.data(), sizeof(lease.first));
    std::memcpy(&lease.end, bytes.data() + sizeof(lease.first), sizeof(lease.end));
    if (lease.first >= 0 && lease.first < lease.end) return lease;
  }
  return base::DataLoss("the master leases {} bytes, or no batches", bytes.size());
}

std::string EncodeServerReport(const ps::ServerStatistics& statistics) {
  std::string bytes;
  Append(ServerReportHead{.version = statistics.version,
                          .num_requests = statistics.num_requests,
                          .num_rows_pulled = statistics.num_rows_pulled,
                          .num_rows_pushed = statistics.num_rows_pushed,
                          .num_bytes_in = statistics.num_bytes_in,
                          .num_bytes_out = statistics.num_bytes_out,
                          .num_waiting = statistics.num_waiting,
                          .most_waiting = statistics.most_waiting,
                          .busy_seconds = statistics.busy_seconds,
                          .seconds = statistics.seconds,
                          .num_staleness = static_cast<std::uint32_t>(statistics.staleness.size()),
                          .num_hottest = static_cast<std::uint32_t>(statistics.hottest.size())},
         bytes);
  for (const std::int64_t count : statistics.staleness) Append(count, bytes);
  for (const ps::HotRow& row : statistics.hottest) {
    Append(HotRowOnWire{.table = row.table, .id = row.id, .num_pulls = row.num_pulls}, bytes);
  }
  return bytes;
}

absl::StatusOr<ps::ServerStatistics> DecodeServerReport(std::span<const std::byte> payload) {
  ps::PayloadReader reader(payload);
  DIME_ASSIGN_OR_RETURN(const auto heads, reader.Take<ServerReportHead>(1));
  const ServerReportHead& head = heads.front();
  DIME_ASSIGN_OR_RETURN(const auto staleness, reader.Take<std::int64_t>(head.num_staleness));
  DIME_ASSIGN_OR_RETURN(const auto hottest, reader.Take<HotRowOnWire>(head.num_hottest));
  DIME_RETURN_IF_ERROR(reader.ExpectEnd());
  if (!IsDuration(head.busy_seconds) || !IsDuration(head.seconds)) {
    return base::DataLoss("a report of times that are none");
  }
  ps::ServerStatistics statistics{.version = head.version,
                                  .num_requests = head.num_requests,
                                  .num_rows_pulled = head.num_rows_pulled,
                                  .num_rows_pushed = head.num_rows_pushed,
                                  .num_bytes_in = head.num_bytes_in,
                                  .num_bytes_out = head.num_bytes_out,
                                  .num_waiting = head.num_waiting,
                                  .most_waiting = head.most_waiting,
                                  .busy_seconds = head.busy_seconds,
                                  .seconds = head.seconds,
                                  .staleness = {staleness.begin(), staleness.end()},
                                  .hottest = {}};
  for (const HotRowOnWire& row : hottest) {
    statistics.hottest.push_back(
        {.table = static_cast<std::uint32_t>(row.table), .id = row.id, .num_pulls = row.num_pulls});
  }
  return statistics;
}

}  // namespace dime::worker
