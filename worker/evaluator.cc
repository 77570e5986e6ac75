#include "worker/evaluator.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "ops/table.h"

namespace dime::worker {
namespace {

// How many examples one exchange with the store is for: large, because an exchange costs a round
// trip.
constexpr std::int64_t kExamplesAtOnce = 4096;

// What the metrics are computed from, for all examples.
struct Scores {
  models::Predictions predictions;
  std::vector<float> losses;
};

absl::Status Score(const models::Model& model, const models::Batch& batch, ParameterStore& store,
                   base::ThreadPool& pool, models::Workspace& workspace, Scores* scores) {
  ops::Lookups lookups;
  model.MakeLookups(batch, &workspace, &lookups);
  DIME_ASSIGN_OR_RETURN(const ops::Rows rows, store.Exchange(nullptr, &lookups));
  const models::Head& head = model.head();
  std::vector<float> logits(static_cast<std::size_t>(batch.num_examples * head.logit_dim()));
  model.Forward(batch, lookups, rows, &pool, &workspace, logits);
  const std::size_t first = scores->losses.size();
  scores->losses.resize(first + static_cast<std::size_t>(batch.num_examples));
  head.ExampleLosses(logits, batch.labels, std::span(scores->losses).subspan(first));
  head.Predict(logits, &scores->predictions);
  return absl::OkStatus();
}

// The loss of the examples [first, end) as training would report it for a batch of them.
double BatchLoss(const models::Model& model, std::span<const float> losses,
                 std::span<const float> weights) {
  double sum = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    sum +=
        (weights.empty() ? 1.0 : static_cast<double>(weights[i])) * static_cast<double>(losses[i]);
  }
  return sum * models::LossScale(model.description().estimator.loss_reduction,
                                 static_cast<std::int64_t>(losses.size()), weights);
}

}  // namespace

absl::StatusOr<models::MetricValues> Evaluate(const models::Model& model,
                                              const models::Batch& examples,
                                              const EvaluationOptions& options,
                                              ParameterStore& store, base::ThreadPool& pool) {
  std::int64_t num_examples = examples.num_examples;
  // Divided, not multiplied: a product of two of the user's numbers could overflow.
  if (options.steps > 0 && num_examples / options.batch_size >= options.steps) {
    num_examples = options.batch_size * options.steps;
  }

  Scores scores;
  models::Workspace workspace;
  models::Batch batch;
  std::vector<std::int64_t> indices;
  for (std::int64_t first = 0; first < num_examples; first += kExamplesAtOnce) {
    if (options.stop.stop_requested()) return base::Cancelled("stopped while evaluating");
    indices.resize(static_cast<std::size_t>(std::min(kExamplesAtOnce, num_examples - first)));
    std::iota(indices.begin(), indices.end(), first);
    models::GatherExamples(examples, indices, &batch);
    DIME_RETURN_IF_ERROR(Score(model, batch, store, pool, workspace, &scores));
  }

  const auto count = static_cast<std::size_t>(num_examples);
  const std::span labels = std::span(examples.labels).first(count);
  const std::span weights = examples.weights.empty() ? std::span<const float>()
                                                     : std::span(examples.weights).first(count);
  const std::unique_ptr<models::Metrics> metrics = model.head().NewMetrics();
  metrics->Add(scores.predictions, labels, scores.losses, weights);
  const auto batch_size = static_cast<std::size_t>(options.batch_size);
  for (std::size_t first = 0; first < count; first += batch_size) {
    const std::size_t size = std::min(batch_size, count - first);
    metrics->AddBatchLoss(BatchLoss(model, std::span(scores.losses).subspan(first, size),
                                    weights.empty() ? weights : weights.subspan(first, size)));
  }
  return metrics->Compute();
}

}  // namespace dime::worker
