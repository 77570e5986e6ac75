// models/model.h - a wide, a deep, or a wide & deep model: which tables it has, its forward pass,
// its gradients.
//
// The model holds no weights: it asks for rows (MakeLookups), computes with them, and returns
// gradients. It knows no network, no file and no thread but the pool it is handed. Formulas: Cheng
// et al., "Wide & deep learning for recommender systems", 2016; TensorFlow's canned estimators in
// every detail that can be seen from outside.
//
// Threads: const methods may run in several threads, each with its own Workspace.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/batch.h"
#include "models/description.h"
#include "models/head.h"
#include "models/record_encoder.h"
#include "ops/table.h"
#include "runtime/base/thread_pool.h"

namespace dime::models {

// Memory that a model's passes need; kept from step to step. One for each thread that calls the
// model.
class Workspace {
 public:
  Workspace();
  ~Workspace();

 private:
  friend class Model;
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What the last TrainStep() saw in one layer, for summaries.
struct LayerActivations {
  std::string tag;  // As TensorFlow 1 names it: "dnn/dnn/hiddenlayer_0", "dnn/dnn/logits",
                    // "linear/linear".
  std::vector<float> values;  // All outputs of the batch.
};

class Model {
 public:
  // A checked description: cannot fail.
  explicit Model(const ModelDescription& description);
  ~Model();

  [[nodiscard]] const ModelDescription& description() const;
  [[nodiscard]] const RecordEncoder& encoder() const;
  [[nodiscard]] const Head& head() const;
  // The variables, in TensorFlow's order of creation, under TensorFlow's names.
  [[nodiscard]] const std::vector<ops::TableSpec>& tables() const;

  // The rows that `batch` needs, and where each is used.
  void MakeLookups(const Batch& batch, Workspace* workspace, ops::Lookups* lookups) const;

  // logits: num_examples x head().logit_dim().
  void Forward(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
               base::ThreadPool* pool, Workspace* workspace, std::span<float> logits) const;

  // Forward, loss and gradients. Returns the loss as the description reduces it (mean or sum over
  // the batch). A batch is cut into slices by its size alone and their gradients are added in
  // order, so the result does not depend on `pool`.
  double TrainStep(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
                   base::ThreadPool* pool, Workspace* workspace, ops::Gradients* gradients) const;

  // The layers' outputs of the last TrainStep() with `workspace`.
  [[nodiscard]] std::vector<LayerActivations> Activations(const Workspace& workspace) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::models
