#include "tests/sim/faults.h"

#include <fmt/format.h>

#include <cmath>

namespace dime::sim {
namespace {

constexpr double kSwitchedOn = 0.25;

struct Kind {
  const char* name;
  double Faults::*rate;
  double least;
  double most;
};

constexpr Kind kKinds[] = {
    {"preempted", &Faults::preempted, 0.01, 0.5},
    {"short transfers", &Faults::short_transfer, 0.01, 0.9},
    {"interrupted", &Faults::interrupted, 0.01, 0.3},
    {"slow packets", &Faults::slow_packet, 0.001, 0.1},
    {"resets", &Faults::reset, 0.0005, 0.02},
    {"refused", &Faults::refused, 0.01, 0.5},
    {"disk errors", &Faults::disk_error, 0.001, 0.1},
    {"disk full", &Faults::disk_full, 0.001, 0.1},
    {"short writes", &Faults::short_write, 0.01, 0.9},
    {"slow disk", &Faults::slow_disk, 0.01, 0.3},
    {"crashes", &Faults::crash, 0.05, 0.5},
    {"power cuts", &Faults::power_cut, 0.2, 1},
    {"pauses", &Faults::pause, 0.01, 0.3},
    {"partitions", &Faults::partition, 0.01, 0.3},
};

}  // namespace

double Dice::LogBetween(double least, double most) {
  const double uniform = static_cast<double>(stream_.NextUint32()) * 0x1p-32;
  return least * std::pow(most / least, uniform);
}

Faults Faults::Draw(std::uint64_t seed) {
  Dice dice(seed, "faults");
  Faults faults;
  for (const Kind& kind : kKinds) {
    if (dice.Chance(kSwitchedOn)) faults.*kind.rate = dice.LogBetween(kind.least, kind.most);
  }
  faults.window_bytes = dice.LogBetween(512, 1 << 20);
  faults.usual_delay = dice.LogBetween(20e3, 5e6);
  return faults;
}

bool Faults::MayBreak() const {
  return reset > 0 || refused > 0 || disk_error > 0 || disk_full > 0 || crash > 0 || pause > 0 ||
         partition > 0;
}

std::string Faults::ToString() const {
  std::string text =
      fmt::format("window {:.0f} bytes, delay {:.0f} us", window_bytes, usual_delay / 1000);
  for (const Kind& kind : kKinds) {
    if (this->*kind.rate > 0) text += fmt::format(", {} {:.4f}", kind.name, this->*kind.rate);
  }
  return text;
}

}  // namespace dime::sim
