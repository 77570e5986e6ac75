#include "worker/cluster_options.h"

namespace dime::worker {

ps::ConsistencyOptions ConsistencyOf(const ClusterOptions& options,
                                     const models::Estimator& estimator) {
  return {.consistency = options.consistency,
          .num_replicas = options.num_replicas,
          .micro_batches = options.in_common() ? options.micro_batches : 1,
          .average = estimator.loss_reduction != models::LossReduction::kSum,
          .keep_previous = options.CanReturn() && options.in_common() && options.num_servers > 1};
}

}  // namespace dime::worker
