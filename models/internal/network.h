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
#include "models/internal/input_layer.h"
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
  // The input of the rows of a range; see InputLayer.
  struct Input {
    ops::MatrixView dense;
    ops::SparseMatrixView sparse;
  };
  // What lives only while a range is worked on: gradients of the layers' outputs, and of the rows
  // of the first kernel that meet dense input.
  struct Scratch {
    Matrix deltas[2];
    Matrix dense_kernel;
  };

  // Hidden layers and the logits on top of an input. Adds their kernels and biases to `variables`.
  Network(const Estimator& estimator, const InputLayer& input, std::int64_t num_logits,
          Variables* variables);

  [[nodiscard]] const std::vector<Layer>& layers() const { return layers_; }

  // The rows of the first kernel that meet dense input, one after another: in `room`, unless they
  // lie so anyway.
  [[nodiscard]] ops::ConstMatrixView DenseKernel(const ops::Rows& rows, Matrix* room) const;

  // outputs[i] = layer i's output for the rows of `range`. `outputs` have the whole batch's rows.
  // With a `dropout_key` some outputs of hidden layers are left out: a training step.
  void Forward(const ops::Rows& rows, ops::ConstMatrixView dense_kernel, RowRange range,
               const Input& input, std::span<const Matrix> outputs,
               std::optional<std::uint64_t> dropout_key) const;

  // Sets `gradients` (one a layer) to the sums over `range`, and those columns of `dense_gradient`
  // that embeddings fill. Both `logit_gradients` and `dense_gradient` have the whole batch's rows.
  void Backward(const ops::Rows& rows, ops::ConstMatrixView dense_kernel, RowRange range,
                const Input& input, std::span<const Matrix> outputs,
                ops::MatrixView logit_gradients, ops::MatrixView dense_gradient,
                std::span<const LayerGradients> gradients, Scratch* scratch) const;

 private:
  void ForwardFirst(const ops::Rows& rows, ops::ConstMatrixView dense_kernel, const Input& input,
                    ops::MatrixView y) const;
  void FirstWeightGradient(const Input& input, ops::ConstMatrixView delta, float* gradient,
                           Matrix* room) const;
  [[nodiscard]] bool HasSparseInput() const { return dense_width_ < layers_.front().inputs; }
  void AddLayer(const std::string& name, const Layer& layer, const NamedOptimizer& optimizer,
                Variables* variables);

  std::vector<Layer> layers_;
  float dropout_ = 0;
  // Of the input layer.
  std::int64_t dense_width_ = 0;
  std::vector<ColumnRange> dense_;
  std::vector<ColumnRange> embedded_;
};

}  // namespace dime::models::internal
