// worker/input/watermark.h - a number that one thread raises and another one waits for.
//
// Made for hand-overs every few microseconds: raising costs a store and a load while nobody sleeps,
// and a waiter spins for a moment before it sleeps.
// Threads: one calls Raise(), one calls WaitFor(); what was written before Raise() is seen after
// WaitFor().
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <mutex>

namespace dime::worker {

class Watermark {
 public:
  static constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

  // `value` must not be lower than the one before.
  void Raise(std::int64_t value);

  // Returns when the mark is at least `target`. `spin`: how long to stay awake first.
  void WaitFor(std::int64_t target, std::chrono::nanoseconds spin);

  [[nodiscard]] std::int64_t value() const { return value_.load(); }

 private:
  bool SpinFor(std::int64_t target, std::chrono::nanoseconds spin) const;

  // Sequentially consistent, both: the raiser stores value_ and then loads wanted_, the sleeper the
  // other way round, so at least one of them sees the other.
  std::atomic<std::int64_t> value_{0};
  std::atomic<std::int64_t> wanted_{kMax};  // What the sleeper waits for; kMax: nobody sleeps.
  std::mutex mutex_;
  std::condition_variable reached_;
};

}  // namespace dime::worker
