#include "worker/evaluator.h"

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "ops/table.h"

namespace dime::worker {
namespace {

// How many examples one exchange with the store is for: large, because an exchange costs a round
// trip.
constexpr std::int64_t kExamplesAtOnce = 4096;

// Of one exchange's examples.
struct Scores {
  models::Predictions predictions;
  std::vector<float> losses;
};

absl::StatusOr<Scores> Score(const models::Model& model, const models::Batch& batch,
                             ParameterStore& store, base::ThreadPool& pool,
                             models::Workspace& workspace) {
  ops::Lookups lookups;
  model.MakeLookups(batch, &workspace, &lookups);
  DIME_ASSIGN_OR_RETURN(const ops::Rows rows, store.Exchange(nullptr, {.lookups = &lookups}));
  const models::Head& head = model.head();
  std::vector<float> logits(static_cast<std::size_t>(batch.num_examples * head.logit_dim()));
  model.Forward(batch, lookups, rows, &pool, &workspace, logits);
  Scores scores;
  scores.losses.resize(static_cast<std::size_t>(batch.num_examples));
  head.ExampleLosses(logits, batch.labels, scores.losses);
  head.Predict(logits, &scores.predictions);
  return scores;
}

// Cuts the losses of examples that come in order into evaluation batches.
class BatchLosses {
 public:
  BatchLosses(const models::Model& model, std::int64_t batch_size, models::Metrics& metrics)
      : reduction_(model.description().estimator.loss_reduction),
        batch_size_(static_cast<std::size_t>(batch_size)),
        metrics_(metrics) {}

  void Add(std::span<const float> losses, std::span<const float> weights) {
    for (std::size_t i = 0; i < losses.size(); ++i) {
      weights_.push_back(weights.empty() ? 1.0f : weights[i]);
      loss_ += static_cast<double>(weights_.back()) * static_cast<double>(losses[i]);
      if (weights_.size() == batch_size_) EndBatch();
    }
  }

  // The last batch may be smaller.
  void Finish() {
    if (!weights_.empty()) EndBatch();
  }

 private:
  // A batch's loss is what training would report for it.
  void EndBatch() {
    const auto num_examples = static_cast<std::int64_t>(weights_.size());
    metrics_.AddBatchLoss(loss_ * models::LossScale(reduction_, num_examples, weights_));
    loss_ = 0;
    weights_.clear();
  }

  const models::LossReduction reduction_;
  const std::size_t batch_size_;
  models::Metrics& metrics_;
  double loss_ = 0;
  std::vector<float> weights_;  // Of the examples of the batch so far.
};

}  // namespace

absl::StatusOr<models::MetricValues> Evaluate(const models::Model& model,
                                              const ExampleSet& examples,
                                              const EvaluationOptions& options,
                                              ParameterStore& store, base::ThreadPool& pool) {
  std::int64_t num_examples = examples.size();
  // Divided, not multiplied: a product of two of the user's numbers could overflow.
  if (options.steps > 0 && num_examples / options.batch_size >= options.steps) {
    num_examples = options.batch_size * options.steps;
  }
  const std::unique_ptr<models::Metrics> metrics = model.head().NewMetrics();
  BatchLosses batch_losses(model, options.batch_size, *metrics);
  models::Workspace workspace;
  models::Batch batch;
  ExampleCursor cursor(examples);
  for (std::int64_t first = 0; first < num_examples; first += kExamplesAtOnce) {
    if (options.stop.stop_requested()) return base::Cancelled("stopped while evaluating");
    DIME_RETURN_IF_ERROR(cursor.Next(std::min(kExamplesAtOnce, num_examples - first), &batch));
    DIME_ASSIGN_OR_RETURN(const Scores scores, Score(model, batch, store, pool, workspace));
    metrics->Add(scores.predictions, batch.labels, scores.losses, batch.weights);
    batch_losses.Add(scores.losses, batch.weights);
  }
  batch_losses.Finish();
  return metrics->Compute();
}

}  // namespace dime::worker
