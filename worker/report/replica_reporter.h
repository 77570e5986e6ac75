// worker/report/replica_reporter.h - a worker's line to the master: reports about four times a
// second, and asks for leases. The master's end is report_service.h.
//
// Threads: any may call; one of its own sends, so that no step waits for the master.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "runtime/base/status.h"
#include "worker/input/leased_batches.h"
#include "worker/leases/lease_book.h"
#include "worker/report/replica_meter.h"

namespace dime::worker {

// Sends a message of a service's to the master, and returns the answer.
using AskMaster = std::function<absl::StatusOr<std::string>(std::string_view request)>;

class ReplicaReporter {
 public:
  // `meter` outlives this object.
  ReplicaReporter(AskMaster ask, const ReplicaMeter& meter);
  ~ReplicaReporter();

  // See LeaseSource.
  void AskForLease();
  absl::StatusOr<std::optional<BatchRange>> TakeLease();

  // Reports once more, at once: the last push is acknowledged.
  absl::Status ReportNow();

 private:
  void Run(const std::stop_token& stop);
  absl::StatusOr<std::optional<BatchRange>> Send(bool wants_lease);

  const AskMaster ask_;
  const ReplicaMeter& meter_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool is_wanted_ = false;  // A lease, and nobody has asked for it yet.
  std::optional<absl::StatusOr<std::optional<BatchRange>>> lease_;
  std::jthread thread_;
};

// A worker's leases.
class LeasesOfMaster final : public LeaseSource {
 public:
  explicit LeasesOfMaster(ReplicaReporter& reporter) : reporter_(reporter) {}
  absl::Status Ask() override {
    reporter_.AskForLease();
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<BatchRange>> Take() override { return reporter_.TakeLease(); }

 private:
  ReplicaReporter& reporter_;
};

// A server's line to the master.
class ServerReporter {
 public:
  explicit ServerReporter(AskMaster ask);
  ~ServerReporter();

  // Whether the last report is long enough ago. Then Report() sends the next one, some time later.
  [[nodiscard]] bool IsDue();
  void Report(std::string report);

 private:
  void Run(const std::stop_token& stop);

  const AskMaster ask_;
  std::chrono::steady_clock::time_point next_{};
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<std::string> report_;
  std::jthread thread_;
};

}  // namespace dime::worker
