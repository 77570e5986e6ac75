#include "worker/report/replica_reporter.h"

#include <chrono>
#include <utility>

#include "worker/report/report_wire.h"

namespace dime::worker {
namespace {

constexpr std::chrono::milliseconds kInterval{250};

}  // namespace

ReplicaReporter::ReplicaReporter(AskMaster ask, const ReplicaMeter& meter)
    : ask_(std::move(ask)),
      meter_(meter),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

ReplicaReporter::~ReplicaReporter() = default;  // The thread stops first.

void ReplicaReporter::AskForLease() {
  {
    const std::lock_guard lock(mutex_);
    is_wanted_ = true;
  }
  changed_.notify_all();
}

absl::StatusOr<std::optional<BatchRange>> ReplicaReporter::TakeLease() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return lease_.has_value(); });
  return *std::exchange(lease_, std::nullopt);
}

absl::Status ReplicaReporter::ReportNow() { return Send(/*wants_lease=*/false).status(); }

void ReplicaReporter::Run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    changed_.wait_for(lock, stop, kInterval, [this] { return is_wanted_; });
    if (stop.stop_requested()) return;
    const bool wants_lease = std::exchange(is_wanted_, false);
    lock.unlock();
    // Of a report that is lost nobody has to know; the master's absence others find out.
    auto lease = Send(wants_lease);
    lock.lock();
    if (!wants_lease) continue;
    lease_ = std::move(lease);
    changed_.notify_all();
  }
}

absl::StatusOr<std::optional<BatchRange>> ReplicaReporter::Send(bool wants_lease) {
  ReplicaReportMessage message = MakeReplicaReport(meter_);
  message.wants_lease = wants_lease ? 1 : 0;
  DIME_ASSIGN_OR_RETURN(const std::string answer, ask_(Encode(message)));
  return DecodeLease(answer);
}

ServerReporter::ServerReporter(AskMaster ask)
    : ask_(std::move(ask)), thread_([this](const std::stop_token& stop) { Run(stop); }) {}

ServerReporter::~ServerReporter() = default;

bool ServerReporter::IsDue() {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return false;
  next_ = now + kInterval;
  return true;
}

void ServerReporter::Report(std::string report) {
  {
    const std::lock_guard lock(mutex_);
    report_ = std::move(report);
  }
  changed_.notify_all();
}

void ServerReporter::Run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return report_.has_value(); })) {
    const std::string report = *std::exchange(report_, std::nullopt);
    lock.unlock();
    (void)ask_(report);  // The next one says it all again.
    lock.lock();
  }
}

}  // namespace dime::worker
