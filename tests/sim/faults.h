// tests/sim/faults.h - what goes wrong in a simulated run, and how often: a function of its seed.
//
// Two stages, after FoundationDB's BUGGIFY: each kind of fault is switched on for a run or not, and
// fires, where it is, with a probability that is drawn for the run. So some runs see one kind
// alone, many of it, and others a little of everything.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/random.h"

namespace dime::sim {

// A source of choices.
class Dice {
 public:
  Dice(std::uint64_t seed, std::string_view purpose) : stream_(seed, purpose, 0) {}

  bool Chance(double probability) {
    return probability > 0 && static_cast<double>(stream_.NextUint32()) < probability * 0x1p32;
  }
  std::uint64_t Below(std::uint64_t bound) { return stream_.NextBelow(bound); }
  std::int64_t Between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(Below(static_cast<std::uint64_t>(most - least) + 1));
  }
  // Of every order of magnitude as often as of any other.
  double LogBetween(double least, double most);

 private:
  base::RandomStream stream_;
};

// Probabilities; 0: never in this run.
struct Faults {
  // Of each call.
  double preempted = 0;       // Others run before a lock is taken.
  double short_transfer = 0;  // Fewer bytes are sent or received than could be.
  double interrupted = 0;     // EINTR, EAGAIN.
  double slow_packet = 0;     // Takes up to a second.
  double reset = 0;           // The connection breaks, at any byte.
  double refused = 0;         // A connection is.
  double disk_error = 0;
  double disk_full = 0;
  double short_write = 0;
  double slow_disk = 0;
  // Of each process, or each second.
  double crash = 0;      // A process dies, at any point.
  double power_cut = 0;  // Of a crash: what its host had not synced is lost.
  double pause = 0;      // A process stands still for up to eight seconds.
  double partition = 0;  // Two hosts do not reach each other, for up to eight seconds.

  // Of every run, whether a fault or not.
  double window_bytes = 0;  // What a connection holds that is sent and not received.
  double usual_delay = 0;   // Of a packet, at most [ns].

  static Faults Draw(std::uint64_t seed);
  // Whether anything may break, beyond what is slow or comes in pieces.
  [[nodiscard]] bool MayBreak() const;
  [[nodiscard]] std::string ToString() const;
};

}  // namespace dime::sim
