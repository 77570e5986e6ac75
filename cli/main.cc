#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/exit_codes.h"

namespace dime::cli {
namespace {

// Who started the program with stdin, stdout or stderr closed does not want them; a file of ours
// that got their number would.
void OpenClosedStreams() {
  int descriptor = 0;
  do {
    descriptor = ::open("/dev/null", O_RDWR);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor > STDERR_FILENO) ::close(descriptor);
}

extern "C" void DoNothing(int) {}

// A reader that has gone away, or a file that may grow no more, is an error of the write that met
// it, and ends no training. A handler, unlike SIG_IGN, is not inherited by the programs we start.
void TurnSignalsOfWritesIntoErrors() {
  struct sigaction action = {};
  action.sa_handler = DoNothing;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGPIPE, SIGXFSZ}) ::sigaction(signal, &action, nullptr);
}

// Writes to stderr whatever its state is; fmt::print() would throw.
int Report(const std::string& message, int exit_code) {
  std::fprintf(stderr, "dime: %s\n", message.c_str());
  return exit_code;
}

int ReportSystemError(int error_number, const std::string& what) {
  // Whoever read the output has seen enough, as `head` has: shells know this code.
  if (error_number == EPIPE) return kExitUnread;
  if (error_number == EAGAIN) {
    return Report(what + ": the system gives no more threads or memory; see `ulimit -a`", kExitIo);
  }
  return Report(what, kExitIo);
}

// Results that did not get out are no results.
int FlushOutput(int exit_code) {
  if (std::fflush(stdout) == 0 || exit_code != kExitOk) return exit_code;
  return ReportSystemError(errno, fmt::format("write the output: {}", std::strerror(errno)));
}

int Run(const std::vector<std::string>& words) {
  try {
    return FlushOutput(RunDime(words));
  } catch (const std::bad_alloc&) {
    return Report("out of memory", kExitIo);
  } catch (const std::system_error& error) {
    return ReportSystemError(error.code().value(), error.what());
  } catch (const std::exception& error) {
    return Report(fmt::format("{}: this is a bug in dime, please report it", error.what()),
                  kExitBug);
  }
}

}  // namespace
}  // namespace dime::cli

int main(int argc, char** argv) {
  dime::cli::OpenClosedStreams();
  dime::cli::TurnSignalsOfWritesIntoErrors();
  return dime::cli::Run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
