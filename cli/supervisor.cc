#include "cli/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "cli/arguments.h"
#include "cli/exit_codes.h"
#include "cli/interruption.h"
#include "cli/local_cluster.h"
#include "cli/own_process.h"
#include "cli/restart_policy.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"
#include "worker/coordination/liveness.h"
#include "worker/job_end.h"
#include "worker/job_lock.h"

namespace dime::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kVariable[] = "DIME_SUPERVISOR";  // "ORDERS BEATS", descriptors.
constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};
constexpr std::chrono::milliseconds kTick{100};
// A program that starts on a busy machine says nothing for a while.
constexpr std::chrono::seconds kLongestStart{60};

struct Descriptor {
  explicit Descriptor(int descriptor) : number(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(number); }
  const int number;
};

struct Pipe {
  explicit Pipe(const std::array<int, 2>& ends) : read_end(ends[0]), write_end(ends[1]) {}
  Descriptor read_end;
  Descriptor write_end;
};

absl::StatusOr<std::unique_ptr<Pipe>> MakePipe() {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return base::ErrnoToStatus(errno, "pipe");
  return std::make_unique<Pipe>(ends);
}

bool IsReadable(const pollfd& descriptor) { return (descriptor.revents & (POLLIN | POLLHUP)) != 0; }

// Signals that are to be read from a descriptor. What is ignored stays ignored: nohup sees to that.
sigset_t BlockSignals() {
  signal(SIGCHLD, SIG_DFL);  // Else the system takes what waitpid() is to tell.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  for (const int number : kSignals) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) sigaddset(&set, number);
  }
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return set;
}

// The next one that asks the job to stop; 0: none has come.
int TakeSignal(int signals) {
  signalfd_siginfo info;
  while (read(signals, &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo != SIGCHLD) return static_cast<int>(info.ssi_signo);
  }
  return 0;
}

// The same, within this time.
int AwaitSignal(int signals, std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  while (Clock::now() < deadline) {
    pollfd waited = {.fd = signals, .events = POLLIN, .revents = 0};
    poll(&waited, 1, static_cast<int>(kTick.count()));
    if (const int number = TakeSignal(signals)) return number;
  }
  return 0;
}

// One start of the master, from its first word to its end.
class MasterStart {
 public:
  explicit MasterStart(int signals) : signals_(signals) {}
  MasterStart(const MasterStart&) = delete;
  MasterStart& operator=(const MasterStart&) = delete;
  ~MasterStart() {
    std::error_code ignored;
    if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
  }

  // Its exit code; 128 + signal when one has ended it.
  absl::StatusOr<int> Run(Words words) {
    DIME_ASSIGN_OR_RETURN(directory_, MakeClusterDirectory());
    DIME_ASSIGN_OR_RETURN(orders_, MakePipe());
    DIME_ASSIGN_OR_RETURN(beats_, MakePipe());
    const int orders = orders_->read_end.number;
    const int beats = beats_->write_end.number;
    DIME_ASSIGN_OR_RETURN(
        pid_,
        StartOwnProcess({.name = "the master",
                         .words = {words.begin(), words.end()},
                         .environment = {fmt::format("{}={} {}", kVariable, orders, beats),
                                         fmt::format("{}={}", kMadeDirectoryVariable, directory_)},
                         .descriptors = {orders, beats}}));
    std::optional<int> exit_code;
    while (!exit_code) exit_code = Look();
    return *exit_code;
  }

  [[nodiscard]] bool was_interrupted() const { return num_signals_ > 0; }
  // Why it was killed; "" when it was not.
  [[nodiscard]] const std::string& hung() const { return hung_; }
  // It could not say why it ended.
  [[nodiscard]] bool was_killed() const { return was_killed_; }

 private:
  std::optional<int> Look() {
    pollfd waited[] = {{.fd = signals_, .events = POLLIN, .revents = 0},
                       {.fd = beats_->read_end.number, .events = POLLIN, .revents = 0}};
    poll(waited, std::size(waited), static_cast<int>(kTick.count()));
    if (IsReadable(waited[0])) PassSignalOn();
    if (IsReadable(waited[1])) HearBeats();
    silence_ += awake_.Tick(Clock::now());
    KillIfSilent();
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    was_killed_ = WIFSIGNALED(status);
    return was_killed_ ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

  void PassSignalOn() {
    while (const int number = TakeSignal(signals_)) {
      const auto order = static_cast<char>(number);
      ++num_signals_;
      (void)!write(orders_->write_end.number, &order, 1);
    }
  }

  void HearBeats() {
    std::array<char, 64> beats;
    if (read(beats_->read_end.number, beats.data(), beats.size()) <= 0) return;
    has_beaten_ = true;
    silence_ = {};
  }

  void KillIfSilent() {
    const Clock::duration limit =
        has_beaten_ ? Clock::duration(worker::kLongestSilence) : Clock::duration(kLongestStart);
    if (silence_ < limit || !hung_.empty()) return;
    hung_ = fmt::format(
        "the master (process {}) hangs: it has been silent for {:.1f} s; it was "
        "killed",
        pid_, std::chrono::duration<double>(silence_).count());
    kill(pid_, SIGKILL);
  }

  const int signals_;
  std::string directory_;
  std::unique_ptr<Pipe> orders_;
  std::unique_ptr<Pipe> beats_;
  pid_t pid_ = 0;
  int num_signals_ = 0;
  bool has_beaten_ = false;
  bool was_killed_ = false;
  worker::AwakeClock awake_{Clock::now()};
  Clock::duration silence_{};
  std::string hung_;
};

std::string Explain(const MasterStart& start, int exit_code) {
  if (!start.hung().empty()) return start.hung();
  if (!start.was_killed()) return fmt::format("the job has ended with exit code {}", exit_code);
  return fmt::format("the master was ended by signal {} ({})", exit_code - 128,
                     strsignal(exit_code - 128));
}

// What ended by its own fault may do so again; that is tried once.
bool MayHelpToRestart(int exit_code, int num_restarts) {
  if (exit_code == kExitBug || exit_code == kExitIo) return num_restarts == 0;
  const bool is_asked_for = exit_code == kExitUnread || exit_code == kExitInterrupted ||
                            exit_code == kExitTerminated || exit_code == kExitHungUp;
  return !is_asked_for && RestartPolicy::MayHelp(exit_code);
}

// OK where nobody can say.
absl::Status CheckUnused(const std::string& job_dir) {
  const auto fs = storage::FileSystemFor(job_dir);
  if (!fs.ok()) return absl::OkStatus();
  const absl::Status locked = worker::LockJobDirectory(**fs, job_dir).status();
  return absl::IsAborted(locked) ? locked : absl::OkStatus();
}

// A master that could say why it ended, and had trained all that there was to train.
bool IsTrained(const MasterStart& start, const std::string& job_dir) {
  const auto fs = storage::FileSystemFor(job_dir);
  return !start.was_killed() && fs.ok() && worker::ReadJobEnd(**fs, job_dir).has_value();
}

}  // namespace

int RunSupervised(const SupervisedJob& job) {
  if (const absl::Status unused = CheckUnused(job.job_dir); !unused.ok()) {
    return ReportError(job.command, unused);
  }
  const sigset_t set = BlockSignals();
  const Descriptor signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  RestartPolicy policy;
  for (int num_restarts = 0;; ++num_restarts) {
    MasterStart start(signals.number);
    const absl::StatusOr<int> exit_code = start.Run(job.words);
    if (!exit_code.ok()) return ReportError(job.command, exit_code.status());
    std::optional<std::chrono::milliseconds> pause;
    if (num_restarts < job.max_restarts && !start.was_interrupted() &&
        MayHelpToRestart(*exit_code, num_restarts) && !IsTrained(start, job.job_dir) &&
        CheckUnused(job.job_dir).ok()) {
      pause = policy.OnEnd(*exit_code, Clock::now());
    }
    if (!pause) {
      if (start.was_killed()) {
        ReportError(job.command, base::Unavailable("{}", Explain(start, *exit_code)));
      }
      return start.hung().empty() ? *exit_code : kExitUnavailable;
    }
    base::Log(base::Severity::kWarning,
              "{}: it is started again in {:.1f} s, from its last checkpoint ({} of {} times)",
              Explain(start, *exit_code), std::chrono::duration<double>(*pause).count(),
              num_restarts + 1, job.max_restarts);
    if (const int number = AwaitSignal(signals.number, *pause)) return 128 + number;
  }
}

std::optional<SupervisedMaster> SupervisedMaster::FromEnvironment() {
  const char* const text = std::getenv(kVariable);
  if (text == nullptr) return std::nullopt;
  char* end = nullptr;
  const int orders = static_cast<int>(std::strtol(text, &end, 10));
  const int beats = static_cast<int>(std::strtol(end, nullptr, 10));
  if (orders <= STDERR_FILENO || beats <= STDERR_FILENO) return std::nullopt;
  unsetenv(kVariable);
  // They are not for the replicas that this process starts.
  for (const int descriptor : {orders, beats}) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return SupervisedMaster(orders, beats);
}

SupervisedMaster::SupervisedMaster(int orders, int beats)
    : thread_([orders, beats](const std::stop_token& stop) { Serve(stop, orders, beats); }) {}

void SupervisedMaster::Serve(const std::stop_token& stop, int orders, int beats) {
  const Descriptor orders_end(orders);
  const Descriptor beats_end(beats);
  Clock::time_point next_beat;
  while (!stop.stop_requested()) {
    if (const auto now = Clock::now(); now >= next_beat) {
      next_beat = now + worker::kPingInterval;
      (void)!write(beats, "b", 1);
    }
    pollfd waited = {.fd = orders, .events = POLLIN, .revents = 0};
    if (poll(&waited, 1, static_cast<int>(kTick.count())) <= 0) continue;
    char number = 0;
    if (read(orders, &number, 1) != 1) return;  // The supervisor is gone, and this process, soon.
    Interruption::Deliver(number);
  }
}

}  // namespace dime::cli
