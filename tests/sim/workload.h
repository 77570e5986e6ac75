// tests/sim/workload.h - what is simulated: jobs of dime's own master, worker and server code whose
// results can be checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/world.h"

namespace dime::sim {

// A bug that a test puts between the network and the code under test, to see that it is found.
enum class Plant {
  kNone,
  kForgottenPush,  // A server now and then acknowledges a push and does not apply it.
  kRepeatedPush,   // A server now and then applies one a second time.
  kUnsyncedFile,   // A file has its name before its bytes are on the disk.
  kSkippedBatch,   // A worker now and then says that it has done a batch that it has not.
};

struct RunOptions {
  std::uint64_t seed = 0;
  Plant plant = Plant::kNone;
  bool is_verbose = false;
};

struct Outcome {
  std::string failure;  // "": what was promised was kept.
  std::uint64_t history_hash = 0;
  std::int64_t num_switches = 0;
  std::int64_t num_faults = 0;
  Time duration = 0;
  std::string notes;  // What the run saw, for a reader.
};

struct Workload {
  std::string_view name;
  Outcome (*run)(const RunOptions& options);
};

// Workers push gradients of 1: every cell ends at the number of pushes that were acknowledged.
Outcome RunCounters(const RunOptions& options);
// The same while checkpoints are written: each that is published loads, and holds whole pushes.
Outcome RunCheckpoints(const RunOptions& options);
// Replicas join, lease batches and leave: the job always ends, and says truly how.
Outcome RunCoordination(const RunOptions& options);

[[nodiscard]] const std::vector<Workload>& AllWorkloads();

// Runs a world to its end.
Outcome OutcomeOf(World& world, Time limit);

}  // namespace dime::sim
