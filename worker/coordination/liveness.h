// worker/coordination/liveness.h - whether a peer lives, as one sees it who may have slept himself.
//
// Both ends of a connection say something every second. Silence is counted in the time in which the
// listener was awake: a process that was not scheduled, or was stopped, blames nobody for it.
// Threads: one at a time, but for Activity.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "runtime/net/socket.h"

namespace dime::worker {

inline constexpr std::chrono::milliseconds kPingInterval{1000};
inline constexpr std::chrono::milliseconds kLongestSilence{5000};
// Of a main thread that has to move, in a process whose other threads answer.
inline constexpr std::chrono::milliseconds kLongestStandstill{60'000};

// What a process's main thread is at.
struct Pulse {
  std::uint64_t beats = 0;  // Grows whenever it moves.
  bool must_beat = false;   // It does nothing that may take long.
  std::string activity = {};

  friend bool operator==(const Pulse&, const Pulse&) = default;
};

// Where a main thread leaves its pulse. Threads: one writes; any may read.
class Activity {
 public:
  // From now on it does this, a literal; it may take as long as it likes.
  void Enter(const char* what) { Set(what, /*must_beat=*/false); }
  // It does this, and says so again and again.
  void EnterBeating(const char* what) { Set(what, /*must_beat=*/true); }
  void Beat() { beats_.fetch_add(1, std::memory_order_relaxed); }

  [[nodiscard]] Pulse Take() const;

 private:
  void Set(const char* what, bool must_beat);

  std::atomic<const char*> what_{"starting"};
  std::atomic<bool> must_beat_{false};
  std::atomic<std::uint64_t> beats_{0};
};

// How much of the time that passes this process sees.
class AwakeClock {
 public:
  explicit AwakeClock(net::Clock::time_point now) : last_(now) {}
  // Since the last call, which is about a tenth of a second ago, or a few: what is more was slept.
  net::Clock::duration Tick(net::Clock::time_point now);

 private:
  net::Clock::time_point last_;
};

// What is known of one peer.
class PeerLife {
 public:
  void Hear() { silence_ = {}; }
  void Hear(Pulse pulse);
  void Pass(net::Clock::duration awake);

  // Why it counts as lost: "it has been silent for 5.0 s; it was serving"; nothing while it lives.
  [[nodiscard]] std::optional<std::string> LostBecause() const;

 private:
  net::Clock::duration silence_{};
  net::Clock::duration standstill_{};
  Pulse pulse_;
};

}  // namespace dime::worker
