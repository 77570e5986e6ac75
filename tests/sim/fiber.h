// tests/sim/fiber.h - a thread of the simulated program: a stack that runs when the scheduler says.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace dime::sim {

class Process;

class Fiber {
 public:
  enum class State { kRunnable, kWaiting, kOver };

  Fiber(Process& process, int number, std::function<void()> body);
  // Whatever is on its stack is abandoned, without its destructors.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // From outside: runs it until it calls SwitchOut() or is over.
  void SwitchIn();
  // From inside.
  void SwitchOut();

  Process& process;
  const int number;
  State state = State::kRunnable;

  // While it waits: for what, in words and as what others call World::Wake() with.
  const char* awaits = "";
  std::vector<const void*> keys;
  std::uint64_t wait_number = 0;
  bool timed_out = false;

 private:
  // What the C++ runtime keeps for each thread of exceptions that are being handled.
  struct ExceptionState {
    void* caught = nullptr;
    unsigned int num_uncaught = 0;
  };
  static void Enter(unsigned int low, unsigned int high);
  void SwapThreadState();

  std::function<void()> body_;
  void* stack_;
  ucontext_t inside_{};
  ucontext_t outside_{};
  int errno_ = 0;
  ExceptionState exceptions_;
};

}  // namespace dime::sim
