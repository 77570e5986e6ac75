#include "cli/interruption.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "runtime/base/log.h"

namespace dime::cli {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};

// What the handler needs: a signal has no other way to a C++ object.
std::atomic<int> g_signal = 0;
std::atomic<int> g_write_end = -1;
static_assert(std::atomic<int>::is_always_lock_free);

int g_read_end = -1;
std::array<struct sigaction, kSignals.size()> g_before;

extern "C" void HandleSignal(int signal) {
  const int saved_errno = errno;
  if (g_signal.exchange(signal) != 0) ::_exit(128 + signal);
  const char byte = 's';
  (void)!::write(g_write_end, &byte, 1);
  errno = saved_errno;
}

}  // namespace

Interruption::Interruption(std::string notice) : notice_(std::move(notice)) {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "make a pipe");
  }
  g_signal = 0;
  g_read_end = ends[0];
  g_write_end = ends[1];
  watcher_ = std::thread(&Interruption::Watch, this);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], nullptr, &g_before[i]);
    if (g_before[i].sa_handler == SIG_IGN) continue;
    struct sigaction action = {};
    action.sa_handler = HandleSignal;
    action.sa_flags = SA_RESTART;
    ::sigaction(kSignals[i], &action, nullptr);
  }
}

Interruption::~Interruption() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], &g_before[i], nullptr);
  }
  ::close(g_write_end.exchange(-1));  // The watcher reads the end of the pipe.
  watcher_.join();
  ::close(g_read_end);
}

void Interruption::Deliver(int signal) {
  if (g_write_end < 0) ::_exit(128 + signal);
  HandleSignal(signal);
}

int Interruption::exit_code() const {
  const int signal = g_signal;
  return signal == 0 ? 0 : 128 + signal;
}

void Interruption::Watch() {
  char byte = 0;
  ssize_t count = 0;
  do {
    count = ::read(g_read_end, &byte, 1);
  } while (count < 0 && errno == EINTR);
  if (count != 1) return;
  base::LogLine(base::Severity::kWarning, notice_);
  stop_.request_stop();
}

}  // namespace dime::cli
