#include "tests/sim/world.h"

#include <fmt/format.h>
#include <sys/single_threaded.h>

#include <algorithm>
#include <utility>

#include "runtime/base/check.h"
#include "tests/sim/disk.h"
#include "tests/sim/network.h"

namespace dime::sim {
namespace {

constexpr std::int64_t kMostSwitches = 3'000'000;
constexpr Time kLongestPause = 8 * kSecond;
constexpr std::int64_t kLatestCrash = 20'000;  // [switches]

}  // namespace

World::World(std::uint64_t seed, const Faults& faults, bool is_verbose)
    : faults_(faults),
      is_verbose_(is_verbose),
      dice_(seed, "world"),
      network_(std::make_unique<Network>(*this)),
      disk_(std::make_unique<Disk>(*this)) {
  DIME_CHECK(active_ == nullptr);
  active_ = this;
  __libc_single_threaded = 0;  // Else the C++ library leaves out what threads need.
}

World::~World() { active_ = nullptr; }

Process& World::Start(std::string name, std::uint32_t host, bool may_crash,
                      std::function<void()> main) {
  Process& process = processes_.emplace_back();
  process.name = std::move(name);
  process.host = host;
  process.number = static_cast<int>(processes_.size());
  process.may_crash = may_crash;
  if (may_crash && dice_.Chance(faults_.crash)) {
    process.switches_to_crash = static_cast<std::int64_t>(dice_.LogBetween(10, kLatestCrash));
  }
  process.main = &StartFiber(process, std::move(main));
  return process;
}

Fiber& World::StartFiber(Process& process, std::function<void()> body) {
  const auto number = static_cast<int>(fibers_.size());
  Fiber& fiber = *fibers_.emplace_back(std::make_unique<Fiber>(process, number, std::move(body)));
  runnable_.push_back(&fiber);
  return fiber;
}

std::string World::Run(Time limit) {
  while (!has_failed_ && !AllEnded()) {
    while (!events_.empty() && events_.top().time <= now_) RunNextEvent();
    if (now_ >= next_troubles_) DrawTroubles();
    if (Fiber* const next = PickRunnable(); next != nullptr) {
      RunFiber(*next);
      if (num_switches_ > kMostSwitches) Fail("it goes on and on: " + WhoWaits());
      continue;
    }
    if (events_.empty()) {
      Fail("everybody waits for somebody: " + WhoWaits());
    } else if (events_.top().time > limit) {
      Fail(fmt::format("not over after {} s: {}", limit / kSecond, WhoWaits()));
    } else {
      RunNextEvent();
    }
  }
  return failure_;
}

void World::Fail(std::string why) {
  if (!std::exchange(has_failed_, true)) failure_ = std::move(why);
}

void World::StopFaults() {
  const Faults drawn = faults_;
  faults_ = {};
  faults_.window_bytes = drawn.window_bytes;
  faults_.usual_delay = drawn.usual_delay;
  for (Process& process : processes_) process.switches_to_crash = -1;
}

void World::Note(std::string_view what, std::int64_t a, std::int64_t b) {
  const auto mix = [this](std::uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001b3; };
  for (const char c : what) mix(static_cast<unsigned char>(c));
  mix(static_cast<std::uint64_t>(now_));
  mix(static_cast<std::uint64_t>(a));
  mix(static_cast<std::uint64_t>(b));
  if (!is_verbose_) return;
  fmt::print("{:12.6f} {:>10} {:>3} {} {} {}\n", static_cast<double>(now_) * 1e-9,
             fiber_ == nullptr ? "" : fiber_->process.name, fiber_ == nullptr ? 0 : fiber_->number,
             what, a, b);
}

void World::NoteFault(std::string_view what, std::int64_t a, std::int64_t b) {
  ++num_faults_;
  Note(what, a, b);
}

bool World::Wait(const char* awaits, std::span<const void* const> keys, Time deadline) {
  Fiber& self = *fiber_;
  self.awaits = awaits;
  self.state = Fiber::State::kWaiting;
  self.timed_out = false;
  self.keys.assign(keys.begin(), keys.end());
  for (const void* const key : keys) waiting_[key].push_back(&self);
  const std::uint64_t number = ++self.wait_number;
  if (deadline != kNever) {
    At(deadline, [this, &self, number] {
      if (self.state != Fiber::State::kWaiting || self.wait_number != number) return;
      self.timed_out = true;
      WakeFiber(self);
    });
  }
  self.SwitchOut();
  return !self.timed_out;
}

void World::Yield() {
  runnable_.push_back(fiber_);
  fiber_->SwitchOut();
}

void World::WakeFiber(Fiber& fiber) {
  for (const void* const key : fiber.keys) {
    const auto found = waiting_.find(key);
    if (found == waiting_.end()) continue;
    std::erase(found->second, &fiber);
    if (found->second.empty()) waiting_.erase(found);
  }
  fiber.keys.clear();
  if (fiber.process.has_ended) return;
  fiber.state = Fiber::State::kRunnable;
  runnable_.push_back(&fiber);
}

void World::WakeAll(const void* key) {
  const auto found = waiting_.find(key);
  if (found == waiting_.end()) return;
  const std::vector<Fiber*> fibers = found->second;
  for (Fiber* const fiber : fibers) WakeFiber(*fiber);
}

void World::WakeOne(const void* key) {
  const auto found = waiting_.find(key);
  if (found != waiting_.end()) WakeFiber(*found->second[dice_.Below(found->second.size())]);
}

void World::At(Time time, std::function<void()> event) {
  events_.push({std::max(time, now_), num_events_++, std::move(event)});
}

void World::RunNextEvent() {
  const Event event = events_.top();
  events_.pop();
  now_ = std::max(now_, event.time);
  event.run();
}

Fiber* World::PickRunnable() {
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < runnable_.size(); ++i) {
    if (runnable_[i]->process.paused_until <= now_) ready.push_back(i);
  }
  if (ready.empty()) return nullptr;
  const std::size_t picked = ready[dice_.Below(ready.size())];
  Fiber* const fiber = runnable_[picked];
  runnable_.erase(runnable_.begin() + static_cast<std::ptrdiff_t>(picked));
  return fiber;
}

void World::RunFiber(Fiber& fiber) {
  Process& process = fiber.process;
  ++num_switches_;
  now_ += dice_.Between(100, 2000);
  if (process.switches_to_crash >= 0 && process.switches_to_crash-- == 0) return Crash(process);
  Note("run", fiber.number);
  fiber_ = &fiber;
  fiber.SwitchIn();
  fiber_ = nullptr;
  if (fiber.state != Fiber::State::kOver) return;
  WakeAll(&fiber);
  if (&fiber == process.main) EndProcess(process);
}

void World::EndProcess(Process& process) {
  process.has_ended = true;
  for (const auto& fiber : fibers_) {
    if (&fiber->process != &process) continue;
    std::erase(runnable_, fiber.get());
    if (fiber->state == Fiber::State::kWaiting) WakeFiber(*fiber);
    fiber->state = Fiber::State::kOver;
  }
  network_->CloseAllOf(process);
  disk_->CloseAllOf(process);
}

void World::Crash(Process& process) {
  NoteFault("crash of " + process.name, process.number);
  process.has_crashed = true;
  EndProcess(process);
  if (dice_.Chance(faults_.power_cut)) disk_->LoseUnsynced(process);
  if (process.on_crash) process.on_crash();
}

// Once a second: what befalls processes and hosts.
void World::DrawTroubles() {
  for (Process& process : processes_) {
    if (process.has_ended || !dice_.Chance(faults_.pause)) continue;
    process.paused_until = now_ + static_cast<Time>(dice_.LogBetween(1e6, kLongestPause));
    NoteFault("pause of " + process.name, process.paused_until - now_);
    At(process.paused_until, [] {});
  }
  if (dice_.Chance(faults_.partition) && processes_.size() > 1) {
    const auto host_of = [&](std::uint64_t i) {
      return std::next(processes_.begin(), static_cast<std::ptrdiff_t>(i))->host;
    };
    const std::uint32_t one = host_of(dice_.Below(processes_.size()));
    const std::uint32_t other = host_of(dice_.Below(processes_.size()));
    network_->Part(one, other, static_cast<Time>(dice_.LogBetween(1e6, kLongestPause)));
  }
  next_troubles_ = now_ + dice_.Between(kSecond / 100, kSecond);
}

bool World::AllEnded() const {
  return std::ranges::all_of(processes_, [](const Process& p) { return p.has_ended; });
}

std::string World::WhoWaits() const {
  std::string text;
  for (const auto& fiber : fibers_) {
    if (fiber->process.has_ended || fiber->state == Fiber::State::kOver) continue;
    text += fmt::format("{}{} (thread {}) {}{}", text.empty() ? "" : ", ", fiber->process.name,
                        fiber->number,
                        fiber->state == Fiber::State::kWaiting ? "waits for " : "is ready",
                        fiber->state == Fiber::State::kWaiting ? fiber->awaits : "");
  }
  return text;
}

}  // namespace dime::sim
