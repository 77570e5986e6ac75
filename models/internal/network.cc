#include "models/internal/network.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "ops/dropout.h"

namespace dime::models::internal {
namespace {

ops::ConstMatrixView KernelOf(const Network::Layer& layer, const ops::Rows& rows) {
  return {rows.tables[layer.kernel_table].data(), layer.inputs, layer.outputs, layer.outputs};
}

// The rows of a kernel that meet these columns of its input.
ops::ConstMatrixView KernelRows(const ops::ConstMatrixView& kernel, ColumnRange columns) {
  return {kernel.data + columns.first * kernel.stride, columns.count, kernel.cols, kernel.stride};
}

}  // namespace

Network::Network(const Estimator& estimator, const InputLayer& input, std::int64_t num_logits,
                 Variables* variables)
    : dropout_(estimator.dropout),
      dense_width_(input.dense_width()),
      dense_(input.dense().begin(), input.dense().end()),
      embedded_(input.embedded().begin(), input.embedded().end()) {
  std::int64_t inputs = input.width();
  for (const std::int64_t units : estimator.hidden_units) {
    AddLayer("dnn/hiddenlayer_" + std::to_string(layers_.size()),
             {.inputs = inputs, .outputs = units, .activation = ops::Activation::kRelu},
             DnnOptimizer(estimator), variables);
    inputs = units;
  }
  AddLayer("dnn/logits",
           {.inputs = inputs, .outputs = num_logits, .activation = ops::Activation::kIdentity},
           DnnOptimizer(estimator), variables);
}

void Network::AddLayer(const std::string& name, const Layer& layer, const NamedOptimizer& optimizer,
                       Variables* variables) {
  // Glorot and Bengio, "Understanding the difficulty of training deep feedforward networks", 2010.
  const float limit = std::sqrt(6.0f / static_cast<float>(layer.inputs + layer.outputs));
  const int kernel = variables->AddDense(name + "/kernel", {layer.inputs, layer.outputs},
                                         {ops::InitializerKind::kUniform, limit}, optimizer);
  const int bias =
      variables->AddDense(name + "/bias", {layer.outputs}, /*initializer=*/{}, optimizer);
  layers_.push_back(layer);
  layers_.back().kernel_table = static_cast<std::size_t>(kernel);
  layers_.back().bias_table = static_cast<std::size_t>(bias);
}

ops::ConstMatrixView Network::DenseKernel(const ops::Rows& rows, Matrix* room) const {
  const ops::ConstMatrixView kernel = KernelOf(layers_.front(), rows);
  if (!HasSparseInput()) return kernel;
  room->Reshape(dense_width_, kernel.cols);
  float* to = room->view().data;
  for (const ColumnRange& columns : dense_) {
    const ops::ConstMatrixView part = KernelRows(kernel, columns);
    for (std::int64_t i = 0; i < part.rows; ++i, to += room->view().stride) {
      std::copy_n(part.data + i * part.stride, part.cols, to);
    }
  }
  return room->view();
}

void Network::ForwardFirst(const ops::Rows& rows, ops::ConstMatrixView dense_kernel,
                           const Input& input, ops::MatrixView y) const {
  const Layer& layer = layers_.front();
  const float* const bias = rows.tables[layer.bias_table].data();
  if (!HasSparseInput()) return ops::Affine(input.dense, dense_kernel, bias, layer.activation, y);
  ops::SparseAffine(input.sparse, KernelOf(layer, rows), bias, y);
  ops::AddProduct(input.dense, dense_kernel, layer.activation, y);
}

void Network::Forward(const ops::Rows& rows, ops::ConstMatrixView dense_kernel, RowRange range,
                      const Input& input, std::span<const Matrix> outputs,
                      std::optional<std::uint64_t> dropout_key) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const ops::MatrixView y = RowsOf(outputs[i].view(), range);
    if (i == 0) {
      ForwardFirst(rows, dense_kernel, input, y);
    } else {
      ops::Affine(RowsOf(outputs[i - 1].view(), range), KernelOf(layer, rows),
                  rows.tables[layer.bias_table].data(), layer.activation, y);
    }
    const bool is_hidden = i + 1 < layers_.size();
    if (dropout_key && dropout_ > 0 && is_hidden) {
      ops::Dropout(dropout_, {.step = *dropout_key, .layer = i}, range.first, y);
    }
  }
}

void Network::FirstWeightGradient(const Input& input, ops::ConstMatrixView delta, float* gradient,
                                  Matrix* room) const {
  const Layer& layer = layers_.front();
  const ops::MatrixView all = {gradient, layer.inputs, layer.outputs, layer.outputs};
  if (!HasSparseInput()) return ops::AffineWeightGradient(input.dense, delta, all);
  std::fill_n(gradient, layer.inputs * layer.outputs, 0.0f);
  ops::AddSparseWeightGradient(input.sparse, delta, all);
  room->Reshape(dense_width_, layer.outputs);
  ops::AffineWeightGradient(input.dense, delta, room->view());
  const float* from = room->view().data;
  for (const ColumnRange& columns : dense_) {
    for (std::int64_t i = 0; i < columns.count; ++i, from += room->view().stride) {
      std::copy_n(from, layer.outputs, gradient + (columns.first + i) * layer.outputs);
    }
  }
}

void Network::Backward(const ops::Rows& rows, ops::ConstMatrixView dense_kernel, RowRange range,
                       const Input& input, std::span<const Matrix> outputs,
                       ops::MatrixView logit_gradients, ops::MatrixView dense_gradient,
                       std::span<const LayerGradients> gradients, Scratch* scratch) const {
  ops::MatrixView delta = RowsOf(logit_gradients, range);
  for (std::size_t i = layers_.size(); i-- > 1;) {
    const Layer& layer = layers_[i];
    const ops::MatrixView x = RowsOf(outputs[i - 1].view(), range);
    ops::AffineWeightGradient(x, delta,
                              {gradients[i].kernel, layer.inputs, layer.outputs, layer.outputs});
    ops::AffineBiasGradient(delta, gradients[i].bias);
    Matrix& below = scratch->deltas[i % 2];
    below.Reshape(range.count, layer.inputs);
    ops::AffineInputGradient(delta, KernelOf(layer, rows), below.view());
    ops::MaskByRelu(x, below.view());  // What was left out is 0 as well.
    if (dropout_ > 0) ops::Scale(1.0f / (1.0f - dropout_), below.view());
    delta = below.view();
  }
  FirstWeightGradient(input, delta, gradients.front().kernel, &scratch->dense_kernel);
  ops::AffineBiasGradient(delta, gradients.front().bias);
  for (const ColumnRange& columns : embedded_) {
    ops::AffineInputGradient(delta, KernelRows(dense_kernel, columns),
                             ColumnsOf(RowsOf(dense_gradient, range), columns));
  }
}

}  // namespace dime::models::internal
