// worker/report/report_wire.h - what replicas report to the master, as it goes over the wire.
//
// Structs go as they lie in memory: fixed sizes, little-endian, no padding.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ps/server_statistics.h"
#include "runtime/base/status.h"
#include "worker/report/cluster_report.h"
#include "worker/report/replica_meter.h"

namespace dime::worker {

// Of a training replica; its numbers only grow.
struct ReplicaReportMessage {
  std::uint64_t num_batches = 0;
  std::uint64_t num_pushes = 0;
  std::uint64_t num_examples = 0;
  double parse_seconds = 0;
  std::array<double, kNumStepPhases> phase_seconds{};
  double batches_per_second = 0;  // 0: not known yet.
  std::uint64_t wants_lease = 0;  // 1: the answer has one.
};
static_assert(sizeof(ReplicaReportMessage) == 80);

[[nodiscard]] ReplicaReportMessage MakeReplicaReport(const ReplicaMeter& meter);
[[nodiscard]] std::string Encode(const ReplicaReportMessage& message);
// kDataLoss when these are no such bytes.
absl::StatusOr<ReplicaReportMessage> DecodeReplicaReport(std::span<const std::byte> payload);

// What the master answers: first and end of a lease; no bytes where there is none.
[[nodiscard]] std::string EncodeLease(const std::optional<BatchRange>& lease);
absl::StatusOr<std::optional<BatchRange>> DecodeLease(std::string_view bytes);

// ServerStatistics' numbers, two counts, so many counts of staleness, so many hot rows.
[[nodiscard]] std::string EncodeServerReport(const ps::ServerStatistics& statistics);
absl::StatusOr<ps::ServerStatistics> DecodeServerReport(std::span<const std::byte> payload);

}  // namespace dime::worker
