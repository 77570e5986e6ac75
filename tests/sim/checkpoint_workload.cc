#include <chrono>
#include <thread>
#include <utility>

#include "ps/server_checkpointer.h"
#include "runtime/checkpoint/checkpoint_state.h"
#include "runtime/storage/file_system.h"
#include "tests/sim/counter_job.h"
#include "tests/sim/disk.h"
#include "tests/sim/workload.h"

namespace dime::sim {
namespace {

using std::chrono::milliseconds;

constexpr Time kLimit = 1200 * kSecond;

struct Published {
  std::string name;
  std::vector<std::int64_t> least;  // Pushes of each worker that it has to hold,
  std::vector<std::int64_t> most;   // and may.
};

// A master that does nothing but save.
class Saver {
 public:
  Saver(CounterJob& job, std::string directory) : job_(job), directory_(std::move(directory)) {}

  void Run() {
    storage::FileSystem& files = storage::LocalFileSystem();
    ps::ServerCheckpointer checkpointer(job_.addresses(), job_.OptionsOf(/*replica=*/0),
                                        /*hold_to_cut=*/true);
    checkpoint::CheckpointState state;
    for (int n = 0; !job_.HaveWorkersEnded(); ++n) {
      Published next{.name = "model.ckpt-" + std::to_string(n),
                     .least = job_.PushesAcknowledged(),
                     .most = {}};
      const absl::StatusOr<std::int64_t> step = checkpointer.Cut();
      next.most = job_.PushesStarted();
      absl::Status saved = step.status();
      if (saved.ok()) saved = checkpointer.StartWriting(storage::JoinPath(directory_, next.name));
      if (saved.ok()) saved = checkpointer.AwaitWritten();
      if (saved.ok()) {
        state.all_prefixes.push_back(next.name);
        tried.push_back(next);
        saved = checkpoint::WriteCheckpointState(files, directory_, state);
        if (!saved.ok()) state.all_prefixes.pop_back();
      }
      if (saved.ok()) acknowledged = next.name;
      if (job_.HasServerCrashed()) return;
      std::this_thread::sleep_for(milliseconds(saved.ok() ? 20 : 200));
    }
  }

  std::vector<Published> tried;  // Any of these may be what the state file names last.
  std::string acknowledged;      // And this one, or a later one, it is.

 private:
  CounterJob& job_;
  const std::string directory_;
};

// What a master that starts now finds.
std::string CheckDirectory(const CounterJob& job, const Saver& saver,
                           const std::string& directory) {
  const auto state = checkpoint::ReadCheckpointState(storage::LocalFileSystem(), directory);
  if (!state.ok()) return "the state file is damaged: " + state.status().ToString();
  bool has_acknowledged = saver.acknowledged.empty();
  for (const std::string& name : state->all_prefixes) {
    has_acknowledged = has_acknowledged || name == saver.acknowledged;
    for (const Published& published : saver.tried) {
      if (published.name != name) continue;
      std::string wrong =
          job.CheckBundle(storage::JoinPath(directory, name), published.least, published.most);
      if (!wrong.empty()) return name + ": " + wrong;
    }
  }
  if (has_acknowledged) return "";
  return saver.acknowledged + " was published, and the state file does not name it";
}

}  // namespace

Outcome RunCheckpoints(const RunOptions& options) {
  const Faults faults = Faults::Draw(options.seed);
  World world(options.seed, faults, options.is_verbose);
  const std::string directory = world.disk().root() + "/job";
  if (options.plant == Plant::kUnsyncedFile) world.disk().IgnoreSyncs();
  CounterJob job(world, options, /*is_long=*/true);
  Saver saver(job, directory);
  job.StartServers();
  job.StartWorkers();
  world.Start("supervisor", /*host=*/9, /*may_crash=*/false, [&] {
    job.PrepareAndBegin();
    if (!storage::LocalFileSystem().CreateDirectories(directory).ok()) std::abort();
    Process& master = world.Start("master", /*host=*/8, /*may_crash=*/true, [&] { saver.Run(); });
    while (!job.HaveWorkersEnded() || !master.has_ended) {
      std::this_thread::sleep_for(milliseconds(50));
    }
    world.StopFaults();
    job.StopServers();
  });
  Outcome outcome = OutcomeOf(world, kLimit);
  if (outcome.failure.empty()) outcome.failure = CheckDirectory(job, saver, directory);
  if (outcome.failure.empty()) outcome.failure = job.CheckCounts();
  if (outcome.failure.empty()) outcome.failure = job.CheckWorkers();
  outcome.notes =
      job.Describe() + "; published up to '" + saver.acknowledged + "'; " + faults.ToString();
  return outcome;
}

}  // namespace dime::sim
