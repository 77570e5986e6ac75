// tests/sim/world.h - a simulated world: processes whose threads are fibers of one thread, a clock
// that jumps, a scheduler that a seed decides, and faults.
//
// The program under test calls the C library as ever: libc.cc stands in the library's place and
// asks the world, as long as a fiber runs. Everything that happens is a function of the seed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/sim/faults.h"
#include "tests/sim/fiber.h"

namespace dime::sim {

using Time = std::int64_t;  // [ns] since the world began.
inline constexpr Time kNever = INT64_MAX;
inline constexpr Time kMicrosecond = 1'000;
inline constexpr Time kMillisecond = 1'000'000;
inline constexpr Time kSecond = 1'000'000'000;

class Disk;
class Network;

// Fibers that live and die together, on a host.
class Process {
 public:
  std::string name;
  std::uint32_t host = 0;  // Its address: 10.0.0.<host>.
  int number = 0;
  bool has_ended = false;
  bool has_crashed = false;
  bool may_crash = false;
  Time paused_until = 0;
  std::function<void()> on_crash;  // Not in a fiber.

 private:
  friend class World;
  std::int64_t switches_to_crash = -1;
  Fiber* main = nullptr;
};

class World {
 public:
  World(std::uint64_t seed, const Faults& faults, bool is_verbose);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // From outside, or from a fiber. Its end ends all fibers of the process.
  Process& Start(std::string name, std::uint32_t host, bool may_crash, std::function<void()> main);

  // Runs until all processes have ended. OK: "", else what went wrong: a Fail(), a deadlock, or
  // that it is not over at `limit`.
  std::string Run(Time limit);
  // Ends the run. Only the first counts.
  void Fail(std::string why);

  [[nodiscard]] const Faults& faults() const { return faults_; }
  // From now on nothing breaks any more.
  void StopFaults();
  [[nodiscard]] Dice& dice() { return dice_; }
  [[nodiscard]] Time now() const { return now_; }
  [[nodiscard]] Network& network() { return *network_; }
  [[nodiscard]] Disk& disk() { return *disk_; }

  // The same for the same seed. What is noted enters it.
  [[nodiscard]] std::uint64_t history_hash() const { return hash_; }
  [[nodiscard]] std::int64_t num_switches() const { return num_switches_; }
  [[nodiscard]] std::int64_t num_faults() const { return num_faults_; }
  void Note(std::string_view what, std::int64_t a = 0, std::int64_t b = 0);
  void NoteFault(std::string_view what, std::int64_t a = 0, std::int64_t b = 0);

  // --- For what stands in the C library's place, in a fiber. ---
  static World* active() { return active_; }
  static Fiber* fiber() { return fiber_; }

  // Others run; it goes on when somebody has called Wake() with one of the keys. False: it was
  // `deadline` before.
  bool Wait(const char* awaits, std::span<const void* const> keys, Time deadline);
  bool Wait(const char* awaits, const void* key, Time deadline) {
    return Wait(awaits, {&key, 1}, deadline);
  }
  void Sleep(Time duration) { Wait("time to pass", {}, now_ + duration); }
  void Yield();
  void WakeAll(const void* key);
  void WakeOne(const void* key);
  void At(Time time, std::function<void()> event);

  Fiber& StartFiber(Process& process, std::function<void()> body);

 private:
  struct Event {
    Time time;
    std::uint64_t number;
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return time != other.time ? time > other.time : number > other.number;
    }
  };

  Fiber* PickRunnable();
  void RunFiber(Fiber& fiber);
  void RunNextEvent();
  void WakeFiber(Fiber& fiber);
  void EndProcess(Process& process);
  void Crash(Process& process);
  void DrawTroubles();
  [[nodiscard]] bool AllEnded() const;
  [[nodiscard]] std::string WhoWaits() const;

  static inline World* active_ = nullptr;
  static inline Fiber* fiber_ = nullptr;

  Faults faults_;
  const bool is_verbose_;
  Dice dice_;
  Time now_ = 0;
  Time next_troubles_ = 0;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Disk> disk_;
  std::list<Process> processes_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> runnable_;
  std::unordered_map<const void*, std::vector<Fiber*>> waiting_;
  std::priority_queue<Event> events_;
  std::uint64_t num_events_ = 0;
  std::int64_t num_switches_ = 0;
  std::int64_t num_faults_ = 0;
  std::uint64_t hash_ = 0xcbf29ce484222325;
  std::string failure_;
  bool has_failed_ = false;
};

}  // namespace dime::sim
