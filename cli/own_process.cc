#include "cli/own_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/exit_codes.h"

namespace dime::cli {
namespace {

std::vector<char*> PointersTo(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

absl::StatusOr<pid_t> StartOwnProcess(const OwnProcess& process) {
  std::vector<std::string> words = {"dime"};
  words.insert(words.end(), process.words.begin(), process.words.end());
  std::vector<std::string> environment = process.environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  const std::vector<char*> argv = PointersTo(words);
  const std::vector<char*> envp = PointersTo(environment);
  sigset_t no_signals;
  sigemptyset(&no_signals);

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return base::ErrnoToStatus(errno, fmt::format("cannot start {}", process.name));
  if (pid > 0) return pid;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  sigprocmask(SIG_SETMASK, &no_signals, nullptr);
  for (const int descriptor : process.descriptors) fcntl(descriptor, F_SETFD, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kExitUnavailable);
  execve("/proc/self/exe", argv.data(), envp.data());
  dprintf(STDERR_FILENO, "cannot start %s: %s\n", process.name.c_str(), std::strerror(errno));
  _exit(kExitIo);
}

}  // namespace dime::cli
