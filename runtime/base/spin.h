// runtime/base/spin.h - waits for something that is due within microseconds without going to sleep.
//
// Waking a sleeping thread on another processor costs tens of microseconds. A spinning thread gives
// way to any other that wants its processor.
#pragma once

#include <sched.h>

#include <chrono>

namespace dime::base {

inline void PauseProcessor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Whether `condition()` came true before `patience` was over.
template <typename Condition>
bool SpinUntil(const Condition& condition, std::chrono::microseconds patience) {
  constexpr int kLooksBetweenYields = 32;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  do {
    for (int i = 0; i < kLooksBetweenYields; ++i) {
      if (condition()) return true;
      PauseProcessor();
    }
    sched_yield();
  } while (std::chrono::steady_clock::now() < deadline);
  return condition();
}

}  // namespace dime::base
