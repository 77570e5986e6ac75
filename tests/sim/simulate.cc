// tests/sim/simulate.cc - runs dime's own code in simulated worlds, one for each seed.
//
//   simulate [--workload NAME] [--seed N] [--seeds COUNT] [--plant NAME] [--jobs N] [--hashes]
//            [--verbose]
//
// Prints every seed that fails, and ends with 1 then. `--seed N --verbose` shows all that happens.
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/sim/workload.h"

namespace dime::sim {
namespace {

constexpr std::int64_t kMostShown = 10;  // Failures, of each process.

struct Options {
  std::string workload;  // "": all.
  std::uint64_t first_seed = 1;
  std::uint64_t num_seeds = 1;
  std::string plant = "none";
  int num_jobs = 2;
  bool is_verbose = false;
  bool prints_hashes = false;
};

const std::map<std::string, Plant> kPlants = {{"none", Plant::kNone},
                                              {"forgotten-push", Plant::kForgottenPush},
                                              {"repeated-push", Plant::kRepeatedPush},
                                              {"unsynced-file", Plant::kUnsyncedFile},
                                              {"skipped-batch", Plant::kSkippedBatch}};

// Of a process's runs, which others read.
struct Totals {
  std::int64_t num_runs = 0;
  std::int64_t num_failed = 0;
  std::int64_t num_switches = 0;
  std::int64_t num_faults = 0;
  double simulated_seconds = 0;
};

std::string ReplayOf(const Workload& workload, std::uint64_t seed, const Options& options) {
  return fmt::format("  replay: simulate --workload {} --seed {}{} --verbose", workload.name, seed,
                     options.plant == "none" ? "" : " --plant " + options.plant);
}

void RunOne(const Workload& workload, std::uint64_t seed, const Options& options, Totals& totals) {
  const RunOptions run = {
      .seed = seed, .plant = kPlants.at(options.plant), .is_verbose = options.is_verbose};
  const Outcome outcome = workload.run(run);
  ++totals.num_runs;
  totals.num_switches += outcome.num_switches;
  totals.num_faults += outcome.num_faults;
  totals.simulated_seconds += static_cast<double>(outcome.duration) / kSecond;
  if (options.prints_hashes) {
    fmt::print("{} {} {:016x}\n", workload.name, seed, outcome.history_hash);
  } else if (options.is_verbose || options.num_seeds == 1) {
    fmt::print("{} seed {}: hash {:016x}, {} switches, {} faults, {:.3f} s; {}\n", workload.name,
               seed, outcome.history_hash, outcome.num_switches, outcome.num_faults,
               static_cast<double>(outcome.duration) / kSecond, outcome.notes);
  }
  if (outcome.failure.empty()) return;
  if (++totals.num_failed > kMostShown) return;
  fmt::print("FAILED: {}\n  ({})\n{}\n", outcome.failure, outcome.notes,
             ReplayOf(workload, seed, options));
}

// In a process of its own: what a run abandons goes with it, and all begin alike.
void RunOneApart(const Workload& workload, std::uint64_t seed, const Options& options,
                 Totals& totals) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    RunOne(workload, seed, options, totals);
    std::fflush(stdout);
    ::_exit(0);
  }
  int status = 0;
  if (child > 0 && ::waitpid(child, &status, 0) == child && status == 0) return;
  ++totals.num_runs;
  ++totals.num_failed;
  fmt::print("FAILED: the process died (status {:#x})\n{}\n", status,
             ReplayOf(workload, seed, options));
}

// Every num_jobs-th seed.
void RunPart(const Options& options, int part, Totals& totals) {
  for (const Workload& workload : AllWorkloads()) {
    if (!options.workload.empty() && workload.name != options.workload) continue;
    for (std::uint64_t i = static_cast<std::uint64_t>(part); i < options.num_seeds;
         i += static_cast<std::uint64_t>(options.num_jobs)) {
      RunOneApart(workload, options.first_seed + i, options, totals);
    }
  }
}

int Run(const Options& options) {
  const std::size_t size = static_cast<std::size_t>(options.num_jobs) * sizeof(Totals);
  void* const shared =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  // What libraries set up when they are first used.
  for (const Workload& workload : AllWorkloads()) (void)workload.run({.seed = 0});
  const std::span totals(static_cast<Totals*>(shared), static_cast<std::size_t>(options.num_jobs));
  std::vector<pid_t> children;
  for (int part = 0; part < options.num_jobs; ++part) {
    std::fflush(stdout);
    children.push_back(::fork());
    if (children.back() != 0) continue;
    RunPart(options, part, totals[static_cast<std::size_t>(part)]);
    std::fflush(stdout);
    ::_exit(0);
  }
  Totals all;
  for (std::size_t part = 0; part < children.size(); ++part) {
    const Totals& some = totals[part];
    int status = 0;
    if (children[part] < 0 || ::waitpid(children[part], &status, 0) < 0 || status != 0) return 1;
    all.num_runs += some.num_runs;
    all.num_failed += some.num_failed;
    all.num_switches += some.num_switches;
    all.num_faults += some.num_faults;
    all.simulated_seconds += some.simulated_seconds;
  }
  fmt::print("{} runs of {} seeds: {} failed; {} faults, {:.0f} simulated seconds, {} switches\n",
             all.num_runs, options.num_seeds, all.num_failed, all.num_faults, all.simulated_seconds,
             all.num_switches);
  return all.num_failed > 0 ? 1 : 0;
}

}  // namespace
}  // namespace dime::sim

int main(int argc, char** argv) {
  dime::sim::Options options;
  CLI::App app("Runs dime's own code in simulated worlds, one for each seed.");
  app.add_option("--workload", options.workload, "One of them; default: all");
  app.add_option("--seed", options.first_seed, "The first seed");
  app.add_option("--seeds", options.num_seeds, "How many");
  app.add_option("--plant", options.plant, "A bug to be found");
  app.add_option("--jobs", options.num_jobs, "Processes that share the seeds");
  app.add_flag("--verbose", options.is_verbose, "Print all that happens");
  app.add_flag("--hashes", options.prints_hashes, "Print the hash of each run's history");
  CLI11_PARSE(app, argc, argv);
  if (options.num_seeds == 1 || options.is_verbose) options.num_jobs = 1;
  // A log that is not written would be another run: its locks are the program's, too.
  if (!options.is_verbose && std::freopen("/dev/null", "w", stderr) == nullptr) return 1;
  return dime::sim::Run(options);
}
