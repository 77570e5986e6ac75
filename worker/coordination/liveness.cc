#include "worker/coordination/liveness.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace dime::worker {
namespace {

// Ticks come every 100 to 250 ms; a busy machine may make that several times as long.
constexpr std::chrono::milliseconds kLongestTick{500};

double Seconds(net::Clock::duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

void Activity::Set(const char* what, bool must_beat) {
  what_.store(what, std::memory_order_relaxed);
  must_beat_.store(must_beat, std::memory_order_relaxed);
  Beat();
}

Pulse Activity::Take() const {
  return {.beats = beats_.load(std::memory_order_relaxed),
          .must_beat = must_beat_.load(std::memory_order_relaxed),
          .activity = what_.load(std::memory_order_relaxed)};
}

net::Clock::duration AwakeClock::Tick(net::Clock::time_point now) {
  const net::Clock::duration passed = now - std::exchange(last_, now);
  return std::clamp<net::Clock::duration>(passed, net::Clock::duration::zero(), kLongestTick);
}

void PeerLife::Hear(Pulse pulse) {
  Hear();
  if (pulse.beats != pulse_.beats || !pulse.must_beat) standstill_ = {};
  pulse_ = std::move(pulse);
}

void PeerLife::Pass(net::Clock::duration awake) {
  silence_ += awake;
  standstill_ += awake;
}

std::optional<std::string> PeerLife::LostBecause() const {
  const std::string last =
      pulse_.activity.empty() ? "" : fmt::format("; when last heard it was {}", pulse_.activity);
  if (silence_ >= kLongestSilence) {
    return fmt::format("it has been silent for {:.1f} s{}", Seconds(silence_), last);
  }
  if (pulse_.must_beat && standstill_ >= kLongestStandstill) {
    return fmt::format("its main thread has stood still for {:.1f} s{}", Seconds(standstill_),
                       last);
  }
  return std::nullopt;
}

}  // namespace dime::worker
