#include "worker/input/prefetcher.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/base/check.h"
#include "worker/input/watermark.h"

namespace dime::worker {
namespace {

// The batches that the caller may still use: the one it got last and the one before.
constexpr std::int64_t kHeldByCaller = 2;

// A sleeping thread wakes in about this time: shorter waits are spun through.
constexpr std::chrono::microseconds kSpin{20};
constexpr std::chrono::nanoseconds kNoSpin{0};

// Its clock costs a thread a system call.
constexpr std::int64_t kBatchesALook = 64;

double ThreadCpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

// A ring of batches. made_ counts the batches that the thread has put in, released_ those that the
// caller gave back; batch i lies in slot i % ring_.size().
class Prefetcher::Impl {
 public:
  Impl(const models::Model& model, std::unique_ptr<BatchSource> source, std::int64_t first_batch,
       int depth, ReplicaMeter* meter)
      : model_(model),
        meter_(meter),
        source_(std::move(source)),
        first_batch_(first_batch),
        batches_a_wake_up_(std::max(1, depth / 2)),
        ring_(static_cast<std::size_t>(depth + kHeldByCaller)) {
    DIME_CHECK(depth > 0 && first_batch >= 0);
    thread_ = std::thread([this] { Run(); });
  }

  ~Impl() {
    stop_.store(true);
    released_.Raise(Watermark::kMax);
    thread_.join();
  }

  const PreparedBatch* Next() {
    // This call hands out batch taken_, so that the caller holds kHeldByCaller from here on.
    const std::int64_t first_held = taken_ + 1 - kHeldByCaller;
    if (first_held > 0) released_.Raise(first_held);
    made_.WaitFor(taken_ + 1, kSpin);
    if (taken_ >= end_.load()) {
      if (failure_ != nullptr) std::rethrow_exception(failure_);
      return nullptr;
    }
    return &Slot(taken_++);
  }

  [[nodiscard]] const absl::Status& status() const { return status_; }

 private:
  PreparedBatch& Slot(std::int64_t batch) {
    return ring_[static_cast<std::size_t>(batch) % ring_.size()];
  }

  void Run() {
    std::int64_t made = 0;
    try {
      while (WaitForRoom(made) && Make(made)) made_.Raise(++made);
    } catch (...) {
      failure_ = std::current_exception();
    }
    LookAtClock();
    end_.store(made);
    made_.Raise(Watermark::kMax);
  }

  void LookAtClock() {
    if (meter_ == nullptr) return;
    const double now = ThreadCpuSeconds();
    meter_->AddParse(now - std::exchange(cpu_seconds_, now));
  }

  // False when nobody wants more batches.
  bool WaitForRoom(std::int64_t made) {
    const std::int64_t released = released_.value();
    const bool full = made - released >= static_cast<std::int64_t>(ring_.size());
    if (full) released_.WaitFor(released + batches_a_wake_up_, kNoSpin);
    return !stop_.load();
  }

  // False when there are no more batches, or this one cannot be made.
  bool Make(std::int64_t made) {
    if (made % kBatchesALook == 0) LookAtClock();
    PreparedBatch& slot = Slot(made);
    status_ = source_->Gather(first_batch_ + made, &slot.batch);
    if (!status_.ok() || slot.batch.num_examples == 0) return false;
    model_.MakeLookups(slot.batch, &workspace_, &slot.lookups);
    return true;
  }

  const models::Model& model_;
  ReplicaMeter* const meter_;
  const std::unique_ptr<BatchSource> source_;
  const std::int64_t first_batch_;
  // The thread sleeps until that many batches are free again: waking it costs the caller time.
  const std::int64_t batches_a_wake_up_;
  std::vector<PreparedBatch> ring_;

  Watermark made_;
  Watermark released_;
  std::atomic<std::int64_t> end_{Watermark::kMax};  // Set before made_ is raised for the last time.
  std::exception_ptr failure_;                      // Likewise.
  absl::Status status_;                             // Likewise.
  std::atomic<bool> stop_{false};

  // The thread's own.
  double cpu_seconds_ = 0;
  models::Workspace workspace_;

  std::int64_t taken_ = 0;  // The caller's own.
  std::thread thread_;
};

Prefetcher::Prefetcher(const models::Model& model, std::unique_ptr<BatchSource> source,
                       std::int64_t first_batch, int depth, ReplicaMeter* meter)
    : impl_(std::make_unique<Impl>(model, std::move(source), first_batch, depth, meter)) {}

Prefetcher::~Prefetcher() = default;

const PreparedBatch* Prefetcher::Next() { return impl_->Next(); }

absl::Status Prefetcher::status() const { return impl_->status(); }

}  // namespace dime::worker
