#include "tests/sim/fiber.h"

#include <cxxabi.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/base/check.h"

namespace dime::sim {
namespace {

constexpr std::size_t kStackBytes = 256 << 10;

// Stacks are used again, world after world.
std::vector<void*>& FreeStacks() {
  static auto* const stacks = new std::vector<void*>;
  return *stacks;
}

void* TakeStack() {
  std::vector<void*>& free = FreeStacks();
  if (!free.empty()) {
    void* const stack = free.back();
    free.pop_back();
    return stack;
  }
  void* const stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  DIME_CHECK(stack != MAP_FAILED);
  DIME_CHECK(mprotect(stack, 4096, PROT_NONE) == 0);  // An overflow is to be seen.
  return stack;
}

}  // namespace

Fiber::Fiber(Process& owner, int its_number, std::function<void()> body)
    : process(owner), number(its_number), body_(std::move(body)), stack_(TakeStack()) {
  getcontext(&inside_);
  inside_.uc_stack.ss_sp = stack_;
  inside_.uc_stack.ss_size = kStackBytes;
  inside_.uc_link = nullptr;
  const auto self = reinterpret_cast<std::uintptr_t>(this);
  makecontext(&inside_, reinterpret_cast<void (*)()>(&Fiber::Enter), 2,
              static_cast<unsigned int>(self), static_cast<unsigned int>(self >> 32));
}

Fiber::~Fiber() { FreeStacks().push_back(stack_); }

void Fiber::Enter(unsigned int low, unsigned int high) {
  auto* const self =
      reinterpret_cast<Fiber*>(static_cast<std::uintptr_t>(high) << 32 | std::uintptr_t{low});
  self->body_();
  self->state = State::kOver;
  self->SwitchOut();
}

void Fiber::SwapThreadState() {
  std::swap(errno, errno_);
  ExceptionState now;
  void* const globals = abi::__cxa_get_globals();
  std::memcpy(static_cast<void*>(&now), globals, sizeof(now));
  std::memcpy(globals, &exceptions_, sizeof(now));
  exceptions_ = now;
}

void Fiber::SwitchIn() {
  SwapThreadState();
  swapcontext(&outside_, &inside_);
  SwapThreadState();
}

void Fiber::SwitchOut() { swapcontext(&inside_, &outside_); }

}  // namespace dime::sim
