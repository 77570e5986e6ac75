#include "worker/input/watermark.h"

#include <thread>

namespace dime::worker {
namespace {

constexpr int kPausesBetweenClockReads = 32;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

// With one processor the other thread cannot move while this one spins.
bool SpinningHelps() {
  static const bool helps = std::thread::hardware_concurrency() > 1;
  return helps;
}

}  // namespace

void Watermark::Raise(std::int64_t value) {
  value_.store(value);
  if (value < wanted_.load()) return;
  // Once the mutex was free, the sleeper either sleeps or has seen the value.
  { const std::lock_guard lock(mutex_); }
  reached_.notify_one();
}

void Watermark::WaitFor(std::int64_t target, std::chrono::nanoseconds spin) {
  if (value_.load() >= target || SpinFor(target, spin)) return;
  std::unique_lock lock(mutex_);
  wanted_.store(target);
  reached_.wait(lock, [&] { return value_.load() >= target; });
  wanted_.store(kMax);
}

bool Watermark::SpinFor(std::int64_t target, std::chrono::nanoseconds spin) const {
  if (spin.count() == 0 || !SpinningHelps()) return false;
  const auto end = std::chrono::steady_clock::now() + spin;
  do {
    for (int i = 0; i < kPausesBetweenClockReads; ++i) {
      if (value_.load(std::memory_order_acquire) >= target) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace dime::worker
