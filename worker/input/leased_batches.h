// worker/input/leased_batches.h - the batches of a set that are one replica's where the master
// leases them.
//
// The next lease is asked for while the last quarter of the one before is being made, ahead of the
// steps, so that no step waits for it. Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "models/batch.h"
#include "runtime/base/status.h"
#include "worker/input/batch_source.h"
#include "worker/leases/lease_book.h"
#include "worker/report/replica_meter.h"

namespace dime::worker {

class LeaseSource {
 public:
  virtual ~LeaseSource() = default;
  // Asks for the next lease, and does not wait for it.
  virtual absl::Status Ask() = 0;
  // Waits for what was asked for; nothing when there are no more batches.
  virtual absl::StatusOr<std::optional<BatchRange>> Take() = 0;
};

// The master's own leases.
class OwnLeases final : public LeaseSource {
 public:
  // All outlive this object.
  OwnLeases(LeaseBook& book, int replica, const ReplicaMeter& meter)
      : book_(book), replica_(replica), meter_(meter) {}

  absl::Status Ask() override { return absl::OkStatus(); }
  absl::StatusOr<std::optional<BatchRange>> Take() override {
    return book_.Lease(replica_, meter_.BatchesPerSecond());
  }

 private:
  LeaseBook& book_;
  const int replica_;
  const ReplicaMeter& meter_;
};

class LeasedBatches final : public BatchSource {
 public:
  LeasedBatches(std::unique_ptr<BatchSource> all, std::unique_ptr<LeaseSource> leases)
      : all_(std::move(all)), leases_(std::move(leases)) {}

  // Nobody knows which will be this replica's.
  [[nodiscard]] std::optional<std::int64_t> num_batches() const override { return std::nullopt; }
  // `index` counts what this replica gets.
  absl::Status Gather(std::int64_t index, models::Batch* batch) override;

 private:
  absl::Status Ask();

  const std::unique_ptr<BatchSource> all_;
  const std::unique_ptr<LeaseSource> leases_;
  BatchRange lease_;         // What is left of it.
  std::int64_t ask_at_ = 0;  // When so many batches of it are left.
  bool has_asked_ = false;
};

}  // namespace dime::worker
