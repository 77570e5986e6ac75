#include "cli/local_cluster.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "cli/cluster_plan.h"
#include "cli/exit_codes.h"
#include "cli/own_process.h"
#include "cli/restart_policy.h"
#include "runtime/base/log.h"
#include "runtime/cluster/replica.h"
#include "runtime/net/address.h"

namespace dime::cli {
namespace {

using cluster::ReplicaId;

constexpr std::chrono::milliseconds kBetweenLooks{20};
constexpr std::chrono::seconds kEndTime{5};

}  // namespace

class LocalCluster::Impl {
 public:
  explicit Impl(std::string directory) : directory_(std::move(directory)) {}

  ~Impl() {
    watch_ = std::jthread();  // Stops and joins.
    for (const Process& process : processes_) {
      if (process.pid > 0) kill(process.pid, SIGKILL);
    }
    for (const Process& process : processes_) {
      if (process.pid > 0) waitpid(process.pid, nullptr, 0);
    }
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  absl::Status StartReplica(const ReplicaId& replica, Words args) {
    args_.assign(args.begin(), args.end());
    Process& process = processes_.emplace_back();
    process.replica = replica;
    process.name = cluster::FormatReplica(replica);
    DIME_ASSIGN_OR_RETURN(process.pid, Spawn(process.name, process.incarnation));
    return absl::OkStatus();
  }

  // The process's number.
  absl::StatusOr<pid_t> Spawn(const std::string& name, int incarnation) const {
    OwnProcess process{.name = name,
                       .words = {"replica"},
                       .environment = {fmt::format("{}={}", kReplicaVariable, name),
                                       fmt::format("{}={}", kDirectoryVariable, directory_),
                                       fmt::format("{}={}", kIncarnationVariable, incarnation)}};
    process.words.insert(process.words.end(), args_.begin(), args_.end());
    return StartOwnProcess(process);
  }

  void Watch(Watching watching) {
    watching_ = std::move(watching);
    watch_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested() && Look()) std::this_thread::sleep_for(kBetweenLooks);
    });
  }

  std::optional<Failure> Join(const std::stop_token& stop) {
    {
      const std::lock_guard lock(mutex_);
      StopRestarts();
    }
    const auto deadline = std::chrono::steady_clock::now() + kEndTime;
    const auto is_over = [&](const Process& process) {
      if (process.pid == 0 && !process.next_start) return true;
      return process.is(cluster::Role::kEvaluator) ? stop.stop_requested()
                                                   : std::chrono::steady_clock::now() >= deadline;
    };
    while (true) {
      {
        const std::lock_guard lock(mutex_);
        if (std::ranges::all_of(processes_, is_over)) return evaluator_failure_;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      Look();
    }
  }

  [[nodiscard]] const std::string& directory() const { return directory_; }

  std::optional<Failure> AwaitFailure() const {
    const auto start = std::chrono::steady_clock::now();
    while (true) {
      {
        const std::lock_guard lock(mutex_);
        if (IsLongAgo(start) || (failure_ && cause_ != Cause::kPeerIsGone)) return failure_;
      }
      std::this_thread::sleep_for(kBetweenLooks);
    }
  }

 private:
  struct Process {
    ReplicaId replica;
    std::string name = {};
    int incarnation = 0;
    pid_t pid = 0;           // 0: it has ended.
    bool was_ended = false;  // By this process.
    std::string hung = {};   // Not empty: why it was killed.
    RestartPolicy policy = {};
    std::optional<RestartPolicy::Clock::time_point> next_start = {};

    [[nodiscard]] bool is(cluster::Role role) const { return replica.role == role; }
  };

  // Of several that end at nearly the same time the first of these is why the others did.
  enum class Cause { kSignal, kOwnFailure, kPeerIsGone };
  static Cause CauseOf(int status) {
    if (WIFSIGNALED(status)) return Cause::kSignal;
    return WEXITSTATUS(status) == kExitUnavailable ? Cause::kPeerIsGone : Cause::kOwnFailure;
  }

  // Whether any process is left, or comes back.
  bool Look() {
    const std::lock_guard lock(mutex_);
    if (watching_.job_ended.stop_requested()) StopRestarts();
    KillHung();
    bool any = false;
    for (Process& process : processes_) {
      int status = 0;
      if (process.next_start) Restart(process);
      any = any || process.pid != 0 || process.next_start;
      if (process.pid == 0 || waitpid(process.pid, &status, WNOHANG) != process.pid) continue;
      process.pid = 0;
      OnEnd(process, status);
      any = any || process.next_start;
    }
    // Those that only lost a peer may be seen to end before that peer is.
    if (failure_ && !first_failure_) first_failure_ = std::chrono::steady_clock::now();
    if (failure_ && (cause_ != Cause::kPeerIsGone || IsLongAgo(*first_failure_))) EndServers();
    return any;
  }

  void OnEnd(Process& process, int status) {
    const Failure failure = Explain(process, status);
    if (failure.exit_code == kExitOk || process.was_ended) return;
    const Cause cause = CauseOf(status);
    if (ComesBack(process, failure, cause)) return;
    Fail(process, failure, cause);
  }

  void Fail(const Process& process, const Failure& failure, Cause cause) {
    if (process.is(cluster::Role::kEvaluator)) evaluator_failure_ = failure;
    if (failure_ && cause >= cause_) return;
    cause_ = cause;
    failure_ = failure;
  }

  // Sets its next start, if there is to be one.
  bool ComesBack(Process& process, const Failure& failure, Cause cause) {
    const bool is_worker = watching_.workers_return && process.is(cluster::Role::kWorker);
    // No other process has anything to do with an evaluator, while the job runs or afterwards.
    const bool is_evaluator =
        !failure_ && cause == Cause::kSignal && process.is(cluster::Role::kEvaluator);
    if (!is_worker && !is_evaluator) return false;
    const auto now = RestartPolicy::Clock::now();
    const auto pause = process.policy.OnEnd(failure.exit_code, now);
    if (!pause) return false;
    base::Log(base::Severity::kWarning, "{}: it is started again in {:.1f} s", failure.message,
              std::chrono::duration<double>(*pause).count());
    process.next_start = now + *pause;
    return true;
  }

  void Restart(Process& process) {
    if (RestartPolicy::Clock::now() < *process.next_start) return;
    process.next_start.reset();
    process.hung.clear();
    const absl::StatusOr<pid_t> pid = Spawn(process.name, ++process.incarnation);
    if (pid.ok()) {
      process.pid = *pid;
    } else {
      Fail(process, {std::string(base::MessageOf(pid.status())), kExitIo}, Cause::kOwnFailure);
    }
  }

  void StopRestarts() {
    watching_.workers_return = false;
    for (Process& process : processes_) {
      if (!process.is(cluster::Role::kEvaluator)) process.next_start.reset();
    }
  }

  void KillHung() {
    if (!watching_.take_hung) return;
    for (const worker::HungReplica& hung : watching_.take_hung()) {
      for (Process& process : processes_) {
        if (process.replica != hung.replica || process.pid == 0) continue;
        process.hung = hung.why;
        kill(process.pid, SIGKILL);
      }
    }
  }

  static bool IsLongAgo(std::chrono::steady_clock::time_point time) {
    constexpr std::chrono::milliseconds kAfterwards{500};
    return std::chrono::steady_clock::now() >= time + kAfterwards;
  }

  static Failure Explain(const Process& process, int status) {
    if (!process.hung.empty()) return {process.hung + "; it was killed", kExitUnavailable};
    if (WIFSIGNALED(status)) {
      return {fmt::format("{} was ended by signal {} ({})", process.name, WTERMSIG(status),
                          strsignal(WTERMSIG(status))),
              kExitUnavailable};
    }
    return {fmt::format("{} ended with exit code {}", process.name, WEXITSTATUS(status)),
            WEXITSTATUS(status)};
  }

  // So that nobody waits for them, nor for who has failed.
  void EndServers() {
    StopRestarts();
    if (watching_.on_failure) std::exchange(watching_.on_failure, nullptr)(*failure_);
    for (Process& process : processes_) {
      if (!process.is(cluster::Role::kParameterServer) || process.pid == 0) continue;
      process.was_ended = true;
      kill(process.pid, SIGKILL);
    }
  }

  const std::string directory_;
  mutable std::mutex mutex_;  // Guards what follows, once Watch() was called.
  std::vector<Process> processes_;
  std::optional<Failure> failure_;
  std::optional<Failure> evaluator_failure_;
  Cause cause_ = Cause::kPeerIsGone;  // Of failure_.
  std::optional<std::chrono::steady_clock::time_point> first_failure_;
  Watching watching_;
  std::vector<std::string> args_;  // What all are started with.
  std::jthread watch_;
};

LocalCluster::LocalCluster(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalCluster::~LocalCluster() = default;

absl::StatusOr<std::string> MakeClusterDirectory() {
  std::error_code error;
  std::string directory = (std::filesystem::temp_directory_path(error) / "dime-XXXXXX").string();
  if (!error && mkdtemp(directory.data()) != nullptr) return directory;
  return base::ErrnoToStatus(errno,
                             fmt::format("cannot create a directory for sockets, {}", directory));
}

absl::StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Create() {
  std::string directory;
  if (const char* const made = std::getenv(kMadeDirectoryVariable)) {
    directory = made;
  } else {
    DIME_ASSIGN_OR_RETURN(directory, MakeClusterDirectory());
  }
  auto impl = std::make_unique<Impl>(directory);
  // The longest of the sockets' names fits, or none is made.
  const std::string longest = fmt::format("unix:{}/ps-{}", directory, cluster::kMaxReplicas);
  if (const auto fits = net::ParseAddress(longest); !fits.ok()) {
    return base::ResourceExhausted("no room for sockets in $TMPDIR, whose path is too long: {}",
                                   base::MessageOf(fits.status()));
  }
  return std::unique_ptr<LocalCluster>(new LocalCluster(std::move(impl)));
}

absl::Status LocalCluster::Start(const cluster::RoleCounts& counts, Words args, Watching watching) {
  for (const ReplicaId& replica : AllReplicas(counts)) {
    if (replica.role == cluster::Role::kMaster) continue;
    DIME_RETURN_IF_ERROR(impl_->StartReplica(replica, args));
  }
  impl_->Watch(std::move(watching));
  return absl::OkStatus();
}

const std::string& LocalCluster::directory() const { return impl_->directory(); }
std::optional<LocalCluster::Failure> LocalCluster::Join(const std::stop_token& stop) {
  return impl_->Join(stop);
}
std::optional<LocalCluster::Failure> LocalCluster::AwaitFailure() const {
  return impl_->AwaitFailure();
}

}  // namespace dime::cli
