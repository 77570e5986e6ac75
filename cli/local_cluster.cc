#include "cli/local_cluster.h"

#include <signal.h>
#include <sys/prctl.h>
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
    const std::string name = cluster::FormatReplica(replica);
    std::vector<std::string> words = {"dime", "replica"};
    words.insert(words.end(), args.begin(), args.end());
    std::vector<std::string> environment = {fmt::format("{}={}", kReplicaVariable, name),
                                            fmt::format("{}={}", kDirectoryVariable, directory_)};
    for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::vector<char*> envp;
    for (std::string& entry : environment) envp.push_back(entry.data());
    envp.push_back(nullptr);

    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) return base::ErrnoToStatus(errno, fmt::format("cannot start {}", name));
    if (pid == 0) {
      // Signals to the whole job are the master's to see, which needs the others to stop in good
      // order; and nobody outlives it.
      for (const int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_IGN);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(kExitUnavailable);
      execve("/proc/self/exe", argv.data(), envp.data());
      dprintf(STDERR_FILENO, "cannot start %s: %s\n", name.c_str(), std::strerror(errno));
      _exit(kExitIo);
    }
    processes_.push_back({.name = name,
                          .pid = pid,
                          .is_server = replica.role == cluster::Role::kParameterServer,
                          .is_evaluator = replica.role == cluster::Role::kEvaluator});
    return absl::OkStatus();
  }

  void Watch(std::function<void(const Failure&)> on_failure) {
    on_failure_ = std::move(on_failure);
    watch_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested() && Look()) std::this_thread::sleep_for(kBetweenLooks);
    });
  }

  std::optional<Failure> Join(const std::stop_token& stop) {
    const auto deadline = std::chrono::steady_clock::now() + kEndTime;
    const auto is_over = [&](const Process& process) {
      if (process.pid == 0) return true;
      return process.is_evaluator ? stop.stop_requested()
                                  : std::chrono::steady_clock::now() >= deadline;
    };
    while (!std::ranges::all_of(Processes(), is_over)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      Look();
    }
    const std::lock_guard lock(mutex_);
    return evaluator_failure_;
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
    std::string name;
    pid_t pid = 0;  // 0: it has ended.
    bool is_server = false;
    bool is_evaluator = false;
    bool was_ended = false;  // By this process.
  };

  // Whether any process is left.
  bool Look() {
    const std::lock_guard lock(mutex_);
    bool any = false;
    for (Process& process : processes_) {
      int status = 0;
      if (process.pid == 0) continue;
      if (waitpid(process.pid, &status, WNOHANG) != process.pid) {
        any = true;
        continue;
      }
      process.pid = 0;
      if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) || process.was_ended) continue;
      if (process.is_evaluator) evaluator_failure_ = Explain(process.name, status);
      const Cause cause = CauseOf(status);
      if (failure_ && cause >= cause_) continue;
      cause_ = cause;
      failure_ = Explain(process.name, status);
    }
    // Those that only lost a peer may be seen to end before that peer is.
    if (failure_ && !first_failure_) first_failure_ = std::chrono::steady_clock::now();
    if (failure_ && (cause_ != Cause::kPeerIsGone || IsLongAgo(*first_failure_))) EndServers();
    return any;
  }

  static bool IsLongAgo(std::chrono::steady_clock::time_point time) {
    constexpr std::chrono::milliseconds kAfterwards{500};
    return std::chrono::steady_clock::now() >= time + kAfterwards;
  }

  // Of several that end at nearly the same time the first of these is why the others did.
  enum class Cause { kSignal, kOwnFailure, kPeerIsGone };
  static Cause CauseOf(int status) {
    if (WIFSIGNALED(status)) return Cause::kSignal;
    return WEXITSTATUS(status) == kExitUnavailable ? Cause::kPeerIsGone : Cause::kOwnFailure;
  }

  static Failure Explain(const std::string& name, int status) {
    if (WIFSIGNALED(status)) {
      return {fmt::format("{} was ended by signal {} ({})", name, WTERMSIG(status),
                          strsignal(WTERMSIG(status))),
              kExitUnavailable};
    }
    return {fmt::format("{} ended with exit code {}", name, WEXITSTATUS(status)),
            WEXITSTATUS(status)};
  }

  // So that nobody waits for them, nor for who has failed.
  void EndServers() {
    if (on_failure_) std::exchange(on_failure_, nullptr)(*failure_);
    for (Process& process : processes_) {
      if (!process.is_server || process.pid == 0) continue;
      process.was_ended = true;
      kill(process.pid, SIGKILL);
    }
  }

  std::vector<Process> Processes() const {
    const std::lock_guard lock(mutex_);
    return processes_;
  }

  const std::string directory_;
  mutable std::mutex mutex_;  // Guards what follows, once Watch() was called.
  std::vector<Process> processes_;
  std::optional<Failure> failure_;
  std::optional<Failure> evaluator_failure_;
  Cause cause_ = Cause::kPeerIsGone;  // Of failure_.
  std::optional<std::chrono::steady_clock::time_point> first_failure_;
  std::function<void(const Failure&)> on_failure_;  // Is called once.
  std::jthread watch_;
};

LocalCluster::LocalCluster(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalCluster::~LocalCluster() = default;

absl::StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Create() {
  std::error_code error;
  std::string directory = (std::filesystem::temp_directory_path(error) / "dime-XXXXXX").string();
  if (error || mkdtemp(directory.data()) == nullptr) {
    return base::ErrnoToStatus(errno,
                               fmt::format("cannot create a directory for sockets, {}", directory));
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

absl::Status LocalCluster::Start(const cluster::RoleCounts& counts, Words args,
                                 std::function<void(const Failure&)> on_failure) {
  for (const ReplicaId& replica : AllReplicas(counts)) {
    if (replica.role == cluster::Role::kMaster) continue;
    DIME_RETURN_IF_ERROR(impl_->StartReplica(replica, args));
  }
  impl_->Watch(std::move(on_failure));
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
