#include "worker/cluster_options.h"

namespace dime::worker {

ps::ConsistencyOptions ConsistencyOf(const ClusterOptions& options,
                                     const models::Estimator& estimator) {
  return {.mode = options.consistency,
          .num_replicas = options.num_replicas,
          .bound = options.bound,
          .micro_batches = options.in_common() ? options.micro_batches : 1,
          .average = estimator.loss_reduction != models::LossReduction::kSum};
}

}  // namespace dime::worker
