#include <chrono>
#include <thread>

#include "tests/sim/counter_job.h"
#include "tests/sim/workload.h"

namespace dime::sim {
namespace {

constexpr Time kLimit = 600 * kSecond;

}  // namespace

Outcome OutcomeOf(World& world, Time limit) {
  Outcome outcome;
  outcome.failure = world.Run(limit);
  outcome.history_hash = world.history_hash();
  outcome.num_switches = world.num_switches();
  outcome.num_faults = world.num_faults();
  outcome.duration = world.now();
  return outcome;
}

Outcome RunCounters(const RunOptions& options) {
  const Faults faults = Faults::Draw(options.seed);
  World world(options.seed, faults, options.is_verbose);
  CounterJob job(world, options);
  job.StartServers();
  job.StartWorkers();
  world.Start("master", /*host=*/9, /*may_crash=*/false, [&] {
    job.PrepareAndBegin();
    while (!job.HaveWorkersEnded()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    world.StopFaults();
    job.StopServers();
  });
  Outcome outcome = OutcomeOf(world, kLimit);
  if (outcome.failure.empty()) outcome.failure = job.CheckCounts();
  if (outcome.failure.empty()) outcome.failure = job.CheckWorkers();
  outcome.notes = job.Describe() + "; " + faults.ToString();
  return outcome;
}

}  // namespace dime::sim
