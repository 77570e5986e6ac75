// worker/report/replica_meter.h - where a training replica's time goes, and what it has done.
//
// A step reads the clock four times, about 0.1 us in all. Threads: one measures; any may read what
// it has measured so far.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <type_traits>

namespace dime::worker {

// What a training thread does, in the order of a step.
enum class StepPhase {
  kReadWait,  // The next batch is not ready.
  kPushWait,  // Gradients are handed over: sent to servers, or applied in this process.
  kPullWait,  // Rows are on their way.
  kCompute,   // The model's pass, and the little that goes between steps.
};
inline constexpr int kNumStepPhases = 4;

class ReplicaMeter {
 public:
  // Nothing is measured before Start() and after Stop(): checkpoints and evaluations are no steps.
  void Start() {
    running_ = true;
    last_ = Clock::now();
  }
  void Stop() {
    Lap(StepPhase::kCompute);
    running_ = false;
  }
  // The time since the last call was spent in this phase.
  void Lap(StepPhase phase) {
    if (!running_) return;
    const Clock::time_point now = Clock::now();
    nanoseconds_[static_cast<std::size_t>(phase)].Add((now - last_).count());
    last_ = now;
  }

  void CountBatch(std::int64_t num_examples) {
    num_batches_.Add(1);
    num_examples_.Add(num_examples);
  }
  void CountPush() { num_pushes_.Add(1); }
  // CPU time of threads that read and make batches. Threads: one at a time.
  void AddParse(double seconds) {
    parse_nanoseconds_.Add(static_cast<std::int64_t>(seconds * 1e9));
  }

  [[nodiscard]] double seconds(StepPhase phase) const {
    return static_cast<double>(nanoseconds_[static_cast<std::size_t>(phase)].value()) * 1e-9;
  }
  [[nodiscard]] double parse_seconds() const {
    return static_cast<double>(parse_nanoseconds_.value()) * 1e-9;
  }
  [[nodiscard]] std::int64_t num_batches() const { return num_batches_.value(); }
  [[nodiscard]] std::int64_t num_examples() const { return num_examples_.value(); }
  [[nodiscard]] std::int64_t num_pushes() const { return num_pushes_.value(); }  // Acknowledged.

  // 0: not known yet.
  [[nodiscard]] double BatchesPerSecond() const {
    double all = 0;
    for (int p = 0; p < kNumStepPhases; ++p) all += seconds(static_cast<StepPhase>(p));
    return all > 0 ? static_cast<double>(num_pushes()) / all : 0;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static_assert(std::is_same_v<Clock::duration, std::chrono::nanoseconds>);

  // Of one writer: no locked instruction.
  class Count {
   public:
    void Add(std::int64_t value) {
      value_.store(value_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
    }
    [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

   private:
    std::atomic<std::int64_t> value_{0};
  };

  bool running_ = false;
  Clock::time_point last_;
  std::array<Count, kNumStepPhases> nanoseconds_;
  Count parse_nanoseconds_;
  Count num_batches_;
  Count num_examples_;
  Count num_pushes_;
};

}  // namespace dime::worker
