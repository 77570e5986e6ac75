#include "cli/data/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>
#include <vector>

namespace dime::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPollMs = 50;  // How soon a stop or the end of the program is noticed.
constexpr std::size_t kMaxLineBytes = 4096;

// The two ends of a pipe, which the program inherits only where it is told to.
class Pipe {
 public:
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    CloseReadEnd();
    CloseWriteEnd();
  }

  absl::Status Open() {
    std::array<int, 2> ends;
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return base::ErrnoToStatus(errno, "make a pipe");
    read_end_ = ends[0];
    write_end_ = ends[1];
    return absl::OkStatus();
  }
  void CloseReadEnd() { Close(&read_end_); }
  void CloseWriteEnd() { Close(&write_end_); }

  [[nodiscard]] int read_end() const { return read_end_; }
  [[nodiscard]] int write_end() const { return write_end_; }

 private:
  static void Close(int* end) {
    if (*end != -1) ::close(std::exchange(*end, -1));
  }

  int read_end_ = -1;
  int write_end_ = -1;
};

class Program {
 public:
  explicit Program(const RunProgramOptions& options) : options_(options) {}
  ~Program() {
    if (process_ != -1) KillAll();
  }

  absl::Status Start(std::span<const std::string> arguments) {
    name_ = arguments[0];
    DIME_RETURN_IF_ERROR(input_.Open());
    DIME_RETURN_IF_ERROR(output_.Open());
    std::vector<char*> argv;
    for (const std::string& argument : arguments) {
      argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input_.read_end(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output_.write_end(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output_.write_end(), STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    SetAttributes(&attributes);
    const int error_number =
        ::posix_spawnp(&process_, name_.c_str(), &actions, &attributes, argv.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    input_.CloseReadEnd();
    output_.CloseWriteEnd();
    if (error_number == 0) return absl::OkStatus();
    process_ = -1;
    const absl::Status failed = base::ErrnoToStatus(error_number, "cannot be started");
    return base::Unavailable("'{}' {}", name_, base::MessageOf(failed));
  }

  absl::Status Finish() {
    const Clock::time_point start = Clock::now();
    while (IsRunning()) {
      if (options_.stop.stop_requested()) return base::Cancelled("'{}' was stopped", name_);
      const Clock::duration time_taken = Clock::now() - start;
      if (options_.patience && !has_spoken_ && time_taken > *options_.patience) {
        return base::DeadlineExceeded("'{}' printed nothing within {} ms", name_,
                                      options_.patience->count());
      }
      if (time_taken > options_.time_limit) {
        return base::Unavailable("'{}' did not finish within {} s{}", name_,
                                 options_.time_limit.count() / 1000, LastWords());
      }
      ReadOutput(kPollMs);
    }
    const int exit_status = KillAll();  // What it may have started and left behind.
    while (ReadOutput(0)) {
    }
    EndLine();
    if (WIFEXITED(exit_status) && WEXITSTATUS(exit_status) == 0) return absl::OkStatus();
    if (WIFEXITED(exit_status) && WEXITSTATUS(exit_status) == options_.no_room_status) {
      return base::ResourceExhausted("'{}' has no room{}", name_, LastWords());
    }
    if (WIFEXITED(exit_status)) {
      return base::Unavailable("'{}' failed with status {}{}", name_, WEXITSTATUS(exit_status),
                               LastWords());
    }
    return base::Unavailable("'{}' was ended by signal {}{}", name_, WTERMSIG(exit_status),
                             LastWords());
  }

 private:
  // Its own group, so that it is killed with all that it starts; no signal blocked or ignored.
  static void SetAttributes(posix_spawnattr_t* attributes) {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setflags(
        attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
  }

  // Does not yet reap it: as long as it is there, its group's number is no other's.
  [[nodiscard]] bool IsRunning() const {
    siginfo_t info = {};
    return ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
  }

  // Ends the group and returns how the program itself ended, as waitpid(2) puts it.
  int KillAll() {
    ::kill(-process_, SIGKILL);
    int exit_status = 0;
    ::waitpid(std::exchange(process_, -1), &exit_status, 0);
    return exit_status;
  }

  // Waits up to `timeout_ms` for output. False when there is none.
  bool ReadOutput(int timeout_ms) {
    pollfd ready = {.fd = output_.read_end(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, timeout_ms) <= 0) return false;
    std::array<char, 4096> buffer;
    const ssize_t size = ::read(output_.read_end(), buffer.data(), buffer.size());
    if (size <= 0) {
      output_.CloseReadEnd();  // poll() passes over a descriptor of -1, and just waits.
      return false;
    }
    for (const char c : std::string_view(buffer.data(), static_cast<std::size_t>(size))) {
      if (c == '\n' || c == '\r') {
        EndLine();
      } else if (line_.size() < kMaxLineBytes) {
        line_ += c;
      }
    }
    return true;
  }

  void EndLine() {
    if (line_.empty()) return;
    has_spoken_ = true;
    if (options_.on_line) options_.on_line(line_);
    last_line_ = std::exchange(line_, "");
  }

  [[nodiscard]] std::string LastWords() const {
    return last_line_.empty() ? "" : fmt::format(": {}", last_line_);
  }

  const RunProgramOptions& options_;
  std::string name_;
  Pipe input_;
  Pipe output_;
  pid_t process_ = -1;
  bool has_spoken_ = false;
  std::string line_;
  std::string last_line_;
};

}  // namespace

absl::Status RunProgram(std::span<const std::string> arguments, const RunProgramOptions& options) {
  Program program(options);
  DIME_RETURN_IF_ERROR(program.Start(arguments));
  return program.Finish();
}

}  // namespace dime::cli
