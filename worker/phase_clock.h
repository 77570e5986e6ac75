// worker/phase_clock.h - how long each phase of a job took. One phase at a time; they may come
// back.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dime::worker {

class PhaseClock {
 public:
  using Phases = std::vector<std::pair<std::string, double>>;  // [seconds], by first appearance.

  // Ends the current phase and starts `name`; "" starts none.
  void Enter(std::string_view name) {
    const auto now = Clock::now();
    if (!current_.empty()) {
      *Seconds(current_) += std::chrono::duration<double>(now - start_).count();
    }
    current_ = name;
    start_ = now;
    if (!current_.empty()) Seconds(current_);
  }

  [[nodiscard]] const Phases& phases() const { return phases_; }

  [[nodiscard]] double seconds(std::string_view name) const {
    const auto phase = std::ranges::find(phases_, name, &Phases::value_type::first);
    return phase == phases_.end() ? 0 : phase->second;
  }

 private:
  using Clock = std::chrono::steady_clock;

  double* Seconds(std::string_view name) {
    auto phase = std::ranges::find(phases_, name, &Phases::value_type::first);
    if (phase == phases_.end()) phase = phases_.emplace(phase, std::string(name), 0.0);
    return &phase->second;
  }

  Phases phases_;
  std::string current_;
  Clock::time_point start_;
};

}  // namespace dime::worker
