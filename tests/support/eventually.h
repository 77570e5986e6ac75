// tests/support/eventually.h - waits for what nothing signals: a file, or another process's doing.
#pragma once

#include <poll.h>

#include <chrono>

namespace dime::testing {

// More than anything that is awaited takes, under sanitizers too.
inline constexpr std::chrono::seconds kLongest{60};

// Whether `condition` comes true in time. It is looked at often.
template <typename Condition>
bool Eventually(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kLongest;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

}  // namespace dime::testing
