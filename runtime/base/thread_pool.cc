#include "runtime/base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/base/spin.h"

namespace dime::base {

class ThreadPool::Impl {
 public:
  explicit Impl(int num_threads) {
    const auto num_processors = static_cast<int>(std::thread::hardware_concurrency());
    if (num_threads <= 0) num_threads = num_processors;
    patience_ = num_threads <= num_processors ? kPatience : std::chrono::microseconds(0);
    threads_.reserve(static_cast<std::size_t>(num_threads));
    try {
      for (int i = 1; i < num_threads; ++i) threads_.emplace_back([this] { Serve(); });
    } catch (const std::exception&) {
      // The machine gives no more threads, or no memory: those that did start do all parts.
    }
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      ++task_;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void ParallelFor(int num_parts, const std::function<void(int)>& part) {
    if (num_parts <= 1 || threads_.empty()) {
      for (int i = 0; i < num_parts; ++i) part(i);
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      part_ = &part;
      num_parts_ = num_parts;
      next_part_ = 0;
      ++task_;
    }
    wake_.notify_all();
    RunParts(part, num_parts);
    SpinUntil([this] { return num_running_ == 0; }, patience_);
    // A thread that has not woken up by now will find part_ empty: it need not be awaited.
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return num_running_ == 0; });
    part_ = nullptr;
    if (failure_ != nullptr) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  [[nodiscard]] int num_threads() const { return static_cast<int>(threads_.size()) + 1; }

 private:
  // Tasks of a training step follow each other within microseconds: worth staying awake for.
  static constexpr std::chrono::microseconds kPatience{50};

  void Serve() {
    for (std::uint64_t last_task = 0;;) {
      SpinUntil([&] { return task_ != last_task; }, patience_);
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return task_ != last_task; });
      if (stopping_) return;
      last_task = task_;
      if (part_ == nullptr) continue;  // Too late: the others have done it.
      const std::function<void(int)>& part = *part_;
      const int num_parts = num_parts_;
      ++num_running_;
      lock.unlock();
      RunParts(part, num_parts);
      lock.lock();
      if (--num_running_ == 0) idle_.notify_one();
    }
  }

  void RunParts(const std::function<void(int)>& part, int num_parts) {
    try {
      for (int i = next_part_++; i < num_parts; i = next_part_++) part(i);
    } catch (...) {
      next_part_ = num_parts;
      const std::lock_guard lock(mutex_);
      if (failure_ == nullptr) failure_ = std::current_exception();
    }
  }

  std::atomic<int> next_part_{0};

  std::mutex mutex_;  // Guards what follows, up to threads_.
  std::condition_variable wake_;
  std::condition_variable idle_;
  const std::function<void(int)>* part_ = nullptr;  // Of the task that runs, if one does.
  int num_parts_ = 0;
  // Written under the mutex; read without it while spinning.
  std::atomic<std::uint64_t> task_ = 0;
  std::atomic<int> num_running_ =
      0;  // Threads that are in RunParts(), the caller of ParallelFor() not counted.
  std::exception_ptr failure_;  // The first that a part of the task threw.
  bool stopping_ = false;

  std::chrono::microseconds patience_{0};  // How long a thread spins before it sleeps.
  std::vector<std::thread> threads_;
};

ThreadPool::ThreadPool(int num_threads) : impl_(std::make_unique<Impl>(num_threads)) {}
ThreadPool::~ThreadPool() = default;

void ThreadPool::ParallelFor(int num_parts, const std::function<void(int)>& part) {
  impl_->ParallelFor(num_parts, part);
}

int ThreadPool::num_threads() const { return impl_->num_threads(); }

}  // namespace dime::base
