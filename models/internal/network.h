// models/internal/network.h - the stack of dense layers: h = relu(x * K + b) ..., logits = h * K +
// b.
//
// It works on ranges of rows of matrices that hold the whole batch, so that several threads may
// each take a range.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/description.h"
#include "models/internal/matrix.h"
#include "models/internal/variables.h"
#include "ops/dense.h"
#include "ops/table.h"

namespace dime::models::internal {

class Network {
 public:
  struct Layer {
    std::size_t kernel_table = 0;  // [inputs, outputs]
    std::size_t bias_table = 0;    // [outputs]
    std::int64_t inputs = 0;
    std::int64_t outputs = 0;
    ops::Activation activation = ops::Activation::kIdentity;
  };
  // Where one layer's gradients go.
  struct LayerGradients {
    float* kernel = nullptr;
    float* bias = nullptr;
  };
  // Gradients of the layers' outputs, which live only while a range is worked on.
  struct Scratch {
    Matrix deltas[2];
  };

  // Hidden layers and the logits on top of an input of `inputs` columns. Adds their kernels and
  // biases to `variables`.
  Network(const Estimator& estimator, std::int64_t inputs, std::int64_t num_logits,
          Variables* variables);

  [[nodiscard]] const std::vector<Layer>& layers() const { return layers_; }

  // outputs[i] = layer i's output for the rows of `range`. `input` and `outputs` have the whole
  // batch's rows. With a `dropout_key` some outputs of hidden layers are left out: a training step.
  void Forward(const ops::Rows& rows, RowRange range, ops::MatrixView input,
               std::span<const Matrix> outputs,
               std::optional<std::uint64_t> dropout_key = std::nullopt) const;

  // Sets `gradients` (one a layer) to the sums over `range`, and `needed` columns of
  // `input_gradient`. `logit_gradients`, too, has the whole batch's rows.
  void Backward(const ops::Rows& rows, RowRange range, ops::MatrixView input,
                std::span<const Matrix> outputs, ops::MatrixView logit_gradients,
                std::span<const ColumnRange> needed, ops::MatrixView input_gradient,
                std::span<const LayerGradients> gradients, Scratch* scratch) const;

 private:
  void AddLayer(const std::string& name, const Layer& layer, const NamedOptimizer& optimizer,
                Variables* variables);

  std::vector<Layer> layers_;
  float dropout_ = 0;
};

}  // namespace dime::models::internal
