// runtime/base/thread_pool.h - a fixed set of threads that run the parts of one task at a time.
//
// Threads: ParallelFor() may be called from one thread at a time. Owns its threads; they sleep
// between tasks.
#pragma once

#include <functional>
#include <memory>

namespace dime::base {

class ThreadPool {
 public:
  // `num_threads` in all, the caller of ParallelFor() included: 1 starts no thread. 0 means one a
  // processor.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();

  // Calls part(0) .. part(num_parts - 1), each once, in no promised order, and returns when all
  // have returned. When one throws, those not yet begun are left out, and its exception comes out
  // of this call once nothing runs any more.
  void ParallelFor(int num_parts, const std::function<void(int)>& part);

  [[nodiscard]] int num_threads() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::base
