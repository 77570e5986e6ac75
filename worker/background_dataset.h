// worker/background_dataset.h - a data set that is read while something else goes on.
//
// Threads: one of its own until the set is read; the methods from one thread. The destructor stops
// the reading and waits for its end.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "models/model.h"
#include "runtime/base/status.h"
#include "worker/input/dataset.h"

namespace dime::worker {

class BackgroundDataset {
 public:
  // Starts to read. `model` outlives this object; the reading ends early when `options.stop` says
  // so.
  BackgroundDataset(std::vector<std::string> patterns, const models::Model& model,
                    const DatasetOptions& options);

  // Whether the reading has come to an end with an error: does not wait.
  [[nodiscard]] bool has_failed() const { return has_failed_.load(std::memory_order_acquire); }

  // Waits for the end of the reading. Throws what the reading has thrown (no memory).
  absl::StatusOr<const Dataset*> Get();

 private:
  absl::StatusOr<Dataset> dataset_;  // The thread's until it has ended.
  std::exception_ptr failure_;       // Likewise.
  std::atomic<bool> has_failed_ = false;
  std::jthread thread_;
  std::stop_callback<std::function<void()>> forward_stop_;
};

}  // namespace dime::worker
