#include "worker/background_dataset.h"

#include <utility>

#include "runtime/base/thread_pool.h"

namespace dime::worker {

BackgroundDataset::BackgroundDataset(std::vector<std::string> patterns, const models::Model& model,
                                     const DatasetOptions& options)
    : dataset_(base::Internal("the data set is still being read")),
      thread_([this, patterns = std::move(patterns), &model,
               options = options](std::stop_token stop) mutable {
        options.stop = std::move(stop);
        try {
          base::ThreadPool pool(1);  // The job's own threads are busy with training.
          dataset_ = LoadDataset(patterns, model.description(), model.encoder(), options, pool);
        } catch (...) {
          failure_ = std::current_exception();
        }
        has_failed_.store(!dataset_.ok(), std::memory_order_release);
      }),
      forward_stop_(options.stop, [this] { thread_.request_stop(); }) {}

absl::StatusOr<const Dataset*> BackgroundDataset::Get() {
  if (thread_.joinable()) thread_.join();
  if (failure_ != nullptr) std::rethrow_exception(failure_);
  if (!dataset_.ok()) return dataset_.status();
  return &*dataset_;
}

}  // namespace dime::worker
