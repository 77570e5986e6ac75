// cli/interruption.h - Ctrl-C, SIGTERM and SIGHUP (the terminal went away) as a request to stop in
// good order.
//
// The first signal prints the notice and asks for the stop; a second one ends the process at once,
// with the exit code of the signal. A signal that is ignored when this begins stays ignored. One
// object at a time.
#pragma once

#include <stop_token>
#include <string>
#include <thread>

namespace dime::cli {

class Interruption {
 public:
  // `notice`: what the user reads on stderr when the first signal comes.
  explicit Interruption(std::string notice);
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  ~Interruption();  // Signals do again what they did before.

  // As if this process had got the signal; ends it where no object is there to ask for a stop.
  static void Deliver(int signal);

  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }
  // 128 + the signal that came; 0 when none did.
  [[nodiscard]] int exit_code() const;

 private:
  void Watch();

  const std::string notice_;
  std::stop_source stop_;
  std::thread watcher_;
};

}  // namespace dime::cli
