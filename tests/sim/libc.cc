// tests/sim/libc.cc - functions of the C library that, while a fiber of a simulated world runs, ask
// the world. For everybody else they are what they were.
//
// This is the seam between the program under test and the outside: it needs none in the program's
// own code, which is linked as users run it. A program's definition of such a function is the one
// that all its shared libraries use, too: std::thread, std::mutex and clocks end here.
#include "tests/sim/libc.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <span>

#include "tests/sim/disk.h"
#include "tests/sim/network.h"
#include "tests/sim/world.h"

using dime::sim::Fiber;
using dime::sim::kFirstDescriptor;
using dime::sim::kNever;
using dime::sim::kSecond;
using dime::sim::Time;
using dime::sim::World;

namespace {

bool Simulated() { return World::fiber() != nullptr; }
World& TheWorld() { return *World::active(); }
bool IsSimulated(int fd) { return Simulated() && fd >= kFirstDescriptor; }
bool IsOnSimulatedDisk(int fd) { return Simulated() && TheWorld().disk().Holds(fd); }

template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}
// The C library's function of this name and type.
#define DIME_SIM_NEXT(name, ...)                            \
  ([] {                                                     \
    static auto* const function = Next<__VA_ARGS__>(#name); \
    return function;                                        \
  }())

constexpr Time kWallClockStart = 1'700'000'000 * kSecond;
constexpr Time kYieldTime = 60 * dime::sim::kMicrosecond;

Time ToTime(const timespec& time) { return Time{time.tv_sec} * kSecond + time.tv_nsec; }
timespec ToTimespec(Time time) { return {.tv_sec = time / kSecond, .tv_nsec = time % kSecond}; }
// In the world's time.
Time ToTime(clockid_t clock, const timespec& time) {
  return ToTime(time) - (clock == CLOCK_REALTIME ? kWallClockStart : 0);
}

std::span<const iovec> PartsOf(const msghdr* message) {
  return {message->msg_iov, message->msg_iovlen};
}

// A mutex of a fiber is locked when this is not 0, as the C library has it.
int& LockOf(pthread_mutex_t* mutex) { return mutex->__data.__lock; }

void Lock(pthread_mutex_t* mutex) {
  World& world = TheWorld();
  if (world.dice().Chance(world.faults().preempted)) world.Yield();
  while (LockOf(mutex) != 0) world.Wait("a mutex", mutex, kNever);
  LockOf(mutex) = 1;
}

void Unlock(pthread_mutex_t* mutex) {
  LockOf(mutex) = 0;
  TheWorld().WakeOne(mutex);
}

int AwaitCondition(pthread_cond_t* condition, pthread_mutex_t* mutex, Time deadline) {
  Unlock(mutex);
  const bool in_time = TheWorld().Wait("a condition", condition, deadline);
  Lock(mutex);
  return in_time ? 0 : ETIMEDOUT;
}

}  // namespace

namespace dime::sim::real {

int Open(const char* path, int flags, mode_t mode) {
  return DIME_SIM_NEXT(open, int(const char*, int, ...))(path, flags, mode);
}
ssize_t Write(int fd, const void* from, std::size_t size) {
  return DIME_SIM_NEXT(write, ssize_t(int, const void*, size_t))(fd, from, size);
}
ssize_t ReadAt(int fd, void* to, std::size_t size, off_t offset) {
  return DIME_SIM_NEXT(pread, ssize_t(int, void*, size_t, off_t))(fd, to, size, offset);
}
int Truncate(int fd, off_t size) { return DIME_SIM_NEXT(ftruncate, int(int, off_t))(fd, size); }
int Rename(const char* from, const char* to) {
  return DIME_SIM_NEXT(rename, int(const char*, const char*))(from, to);
}
int Close(int fd) { return DIME_SIM_NEXT(close, int(int))(fd); }

}  // namespace dime::sim::real

namespace real = dime::sim::real;

extern "C" {

// --- Time ---

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (!Simulated()) return DIME_SIM_NEXT(clock_gettime, int(clockid_t, timespec*))(clock, time);
  *time = ToTimespec(TheWorld().now() + (clock == CLOCK_REALTIME ? kWallClockStart : 0));
  return 0;
}

int nanosleep(const timespec* duration, timespec* left) {
  if (!Simulated()) {
    return DIME_SIM_NEXT(nanosleep, int(const timespec*, timespec*))(duration, left);
  }
  TheWorld().Sleep(ToTime(*duration));
  return 0;
}

int sched_yield() noexcept {
  if (!Simulated()) return DIME_SIM_NEXT(sched_yield, int())();
  TheWorld().Sleep(kYieldTime);
  return 0;
}

// --- Threads ---

pthread_t pthread_self() noexcept {
  if (!Simulated()) return DIME_SIM_NEXT(pthread_self, pthread_t())();
  return reinterpret_cast<pthread_t>(World::fiber());
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) noexcept {
  if (!Simulated()) {
    return DIME_SIM_NEXT(pthread_create, int(pthread_t*, const pthread_attr_t*, void* (*)(void*),
                                             void*))(thread, attributes, start, argument);
  }
  Fiber& fiber =
      TheWorld().StartFiber(World::fiber()->process, [start, argument] { start(argument); });
  *thread = reinterpret_cast<pthread_t>(&fiber);
  return 0;
}

int pthread_join(pthread_t thread, void** result) {
  if (!Simulated()) return DIME_SIM_NEXT(pthread_join, int(pthread_t, void**))(thread, result);
  auto* const fiber = reinterpret_cast<Fiber*>(thread);
  while (fiber->state != Fiber::State::kOver) TheWorld().Wait("a thread", fiber, kNever);
  return 0;
}

int pthread_detach(pthread_t thread) noexcept {
  return Simulated() ? 0 : DIME_SIM_NEXT(pthread_detach, int(pthread_t))(thread);
}

int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  if (!Simulated()) return DIME_SIM_NEXT(pthread_mutex_lock, int(pthread_mutex_t*))(mutex);
  Lock(mutex);
  return 0;
}

int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  if (!Simulated()) return DIME_SIM_NEXT(pthread_mutex_trylock, int(pthread_mutex_t*))(mutex);
  if (LockOf(mutex) != 0) return EBUSY;
  LockOf(mutex) = 1;
  return 0;
}

int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  if (!Simulated()) return DIME_SIM_NEXT(pthread_mutex_unlock, int(pthread_mutex_t*))(mutex);
  Unlock(mutex);
  return 0;
}

int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  if (!Simulated()) {
    return DIME_SIM_NEXT(pthread_cond_wait, int(pthread_cond_t*, pthread_mutex_t*))(condition,
                                                                                    mutex);
  }
  return AwaitCondition(condition, mutex, kNever);
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* deadline) {
  if (!Simulated()) {
    return DIME_SIM_NEXT(pthread_cond_clockwait,
                         int(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*))(
        condition, mutex, clock, deadline);
  }
  return AwaitCondition(condition, mutex, ToTime(clock, *deadline));
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           const timespec* deadline) {
  if (!Simulated()) {
    return DIME_SIM_NEXT(pthread_cond_timedwait, int(pthread_cond_t*, pthread_mutex_t*,
                                                     const timespec*))(condition, mutex, deadline);
  }
  return AwaitCondition(condition, mutex, ToTime(CLOCK_REALTIME, *deadline));
}

int pthread_cond_signal(pthread_cond_t* condition) noexcept {
  if (!Simulated()) return DIME_SIM_NEXT(pthread_cond_signal, int(pthread_cond_t*))(condition);
  TheWorld().WakeOne(condition);
  return 0;
}

int pthread_cond_broadcast(pthread_cond_t* condition) noexcept {
  if (!Simulated()) return DIME_SIM_NEXT(pthread_cond_broadcast, int(pthread_cond_t*))(condition);
  TheWorld().WakeAll(condition);
  return 0;
}

// Semaphores and std::atomic::wait() ask the kernel itself.
long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  if (Simulated() && number == SYS_futex) {
    const long operation = arguments[1] & FUTEX_CMD_MASK;
    if (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET) {
      TheWorld().Sleep(kYieldTime);  // Its callers look again.
    }
    return 0;
  }
  return DIME_SIM_NEXT(syscall, long(long, ...))(number, arguments[0], arguments[1], arguments[2],
                                                 arguments[3], arguments[4], arguments[5]);
}

// --- Sockets ---

int socket(int domain, int type, int protocol) noexcept {
  if (!Simulated()) return DIME_SIM_NEXT(socket, int(int, int, int))(domain, type, protocol);
  return TheWorld().network().Socket();
}

int eventfd(unsigned int count, int flags) noexcept {
  if (!Simulated()) return DIME_SIM_NEXT(eventfd, int(unsigned int, int))(count, flags);
  return TheWorld().network().Events();
}

int bind(int fd, const sockaddr* name, socklen_t size) noexcept {
  if (!IsSimulated(fd)) {
    return DIME_SIM_NEXT(bind, int(int, const sockaddr*, socklen_t))(fd, name, size);
  }
  return TheWorld().network().Bind(fd, name, size);
}

int listen(int fd, int backlog) noexcept {
  if (!IsSimulated(fd)) return DIME_SIM_NEXT(listen, int(int, int))(fd, backlog);
  return TheWorld().network().Listen(fd);
}

int connect(int fd, const sockaddr* name, socklen_t size) {
  if (!IsSimulated(fd)) {
    return DIME_SIM_NEXT(connect, int(int, const sockaddr*, socklen_t))(fd, name, size);
  }
  return TheWorld().network().Connect(fd, name, size);
}

int accept4(int fd, sockaddr* name, socklen_t* size, int flags) {
  if (!IsSimulated(fd)) {
    return DIME_SIM_NEXT(accept4, int(int, sockaddr*, socklen_t*, int))(fd, name, size, flags);
  }
  return TheWorld().network().Accept(fd);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  if (!IsSimulated(fd)) {
    return DIME_SIM_NEXT(sendmsg, ssize_t(int, const msghdr*, int))(fd, message, flags);
  }
  return TheWorld().network().Send(fd, PartsOf(message));
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  if (!IsSimulated(fd)) {
    return DIME_SIM_NEXT(recvmsg, ssize_t(int, msghdr*, int))(fd, message, flags);
  }
  return TheWorld().network().Receive(fd, PartsOf(message));
}

int poll(pollfd* descriptors, nfds_t count, int timeout) {
  if (!Simulated())
    return DIME_SIM_NEXT(poll, int(pollfd*, nfds_t, int))(descriptors, count, timeout);
  return TheWorld().network().Poll({descriptors, count}, timeout);
}

int shutdown(int fd, int how) noexcept {
  if (!IsSimulated(fd)) return DIME_SIM_NEXT(shutdown, int(int, int))(fd, how);
  return TheWorld().network().Shutdown(fd);
}

int getsockname(int fd, sockaddr* name, socklen_t* size) noexcept {
  if (!IsSimulated(fd)) {
    return DIME_SIM_NEXT(getsockname, int(int, sockaddr*, socklen_t*))(fd, name, size);
  }
  return TheWorld().network().Name(fd, /*of_peer=*/false, name, size);
}

int getpeername(int fd, sockaddr* name, socklen_t* size) noexcept {
  if (!IsSimulated(fd)) {
    return DIME_SIM_NEXT(getpeername, int(int, sockaddr*, socklen_t*))(fd, name, size);
  }
  return TheWorld().network().Name(fd, /*of_peer=*/true, name, size);
}

int setsockopt(int fd, int level, int option, const void* value, socklen_t size) noexcept {
  if (IsSimulated(fd)) return 0;
  return DIME_SIM_NEXT(setsockopt, int(int, int, int, const void*, socklen_t))(fd, level, option,
                                                                               value, size);
}

int getsockopt(int fd, int level, int option, void* value, socklen_t* size) noexcept {
  if (!IsSimulated(fd)) {
    return DIME_SIM_NEXT(getsockopt, int(int, int, int, void*, socklen_t*))(fd, level, option,
                                                                            value, size);
  }
  const int error = TheWorld().network().TakeError(fd);
  if (level == SOL_SOCKET && option == SO_ERROR && *size >= sizeof(error)) {
    std::memcpy(value, &error, sizeof(error));
  }
  return 0;
}

int fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* const argument = va_arg(list, void*);
  va_end(list);
  if (!IsSimulated(fd)) return DIME_SIM_NEXT(fcntl, int(int, int, ...))(fd, command, argument);
  return command == F_DUPFD_CLOEXEC ? TheWorld().network().Duplicate(fd) : 0;
}

// --- Files, and what all descriptors have ---

int close(int fd) {
  if (IsSimulated(fd)) return TheWorld().network().Close(fd);
  return IsOnSimulatedDisk(fd) ? TheWorld().disk().Close(fd) : real::Close(fd);
}

ssize_t read(int fd, void* to, size_t size) {
  if (IsSimulated(fd)) return TheWorld().network().ReadCounter(fd, to, size);
  return DIME_SIM_NEXT(read, ssize_t(int, void*, size_t))(fd, to, size);
}

ssize_t write(int fd, const void* from, size_t size) {
  if (IsSimulated(fd)) return TheWorld().network().AddToCounter(fd, from, size);
  return IsOnSimulatedDisk(fd) ? TheWorld().disk().Write(fd, from, size)
                               : real::Write(fd, from, size);
}

ssize_t pread(int fd, void* to, size_t size, off_t offset) {
  return IsOnSimulatedDisk(fd) ? TheWorld().disk().ReadAt(fd, to, size, offset)
                               : real::ReadAt(fd, to, size, offset);
}

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  if (!Simulated() || !TheWorld().disk().Holds(path)) return real::Open(path, flags, mode);
  return TheWorld().disk().Open(path, flags, mode);
}

int fsync(int fd) {
  return IsOnSimulatedDisk(fd) ? TheWorld().disk().Sync(fd) : DIME_SIM_NEXT(fsync, int(int))(fd);
}

int ftruncate(int fd, off_t size) noexcept {
  return IsOnSimulatedDisk(fd) ? TheWorld().disk().Truncate(fd, size) : real::Truncate(fd, size);
}

int rename(const char* from, const char* to) noexcept {
  if (!Simulated() || !TheWorld().disk().Holds(from)) return real::Rename(from, to);
  return TheWorld().disk().Rename(from, to);
}

// --- What would differ from run to run ---

pid_t getpid() noexcept {
  if (!Simulated()) return DIME_SIM_NEXT(getpid, pid_t())();
  return 1000 + World::fiber()->process.number;
}

ssize_t getrandom(void* to, size_t size, unsigned int flags) {
  if (!Simulated()) {
    return DIME_SIM_NEXT(getrandom, ssize_t(void*, size_t, unsigned int))(to, size, flags);
  }
  for (char& byte : std::span(static_cast<char*>(to), size)) {
    byte = static_cast<char>(TheWorld().dice().Below(256));
  }
  return static_cast<ssize_t>(size);
}

}  // extern "C"
