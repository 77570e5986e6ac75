#include "models/internal/network.h"

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

Network::Network(const Estimator& estimator, std::int64_t inputs, std::int64_t num_logits,
                 Variables* variables)
    : dropout_(estimator.dropout) {
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

void Network::Forward(const ops::Rows& rows, RowRange range, ops::MatrixView input,
                      std::span<const Matrix> outputs,
                      std::optional<std::uint64_t> dropout_key) const {
  ops::MatrixView x = RowsOf(input, range);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const ops::MatrixView y = RowsOf(outputs[i].view(), range);
    ops::Affine(x, KernelOf(layer, rows), rows.tables[layer.bias_table].data(), layer.activation,
                y);
    const bool is_hidden = i + 1 < layers_.size();
    if (dropout_key && dropout_ > 0 && is_hidden) {
      ops::Dropout(dropout_, {.step = *dropout_key, .layer = i}, range.first, y);
    }
    x = y;
  }
}

void Network::Backward(const ops::Rows& rows, RowRange range, ops::MatrixView input,
                       std::span<const Matrix> outputs, ops::MatrixView logit_gradients,
                       std::span<const ColumnRange> needed, ops::MatrixView input_gradient,
                       std::span<const LayerGradients> gradients, Scratch* scratch) const {
  ops::MatrixView delta = RowsOf(logit_gradients, range);
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Layer& layer = layers_[i];
    const ops::MatrixView x = RowsOf(i == 0 ? input : outputs[i - 1].view(), range);
    ops::AffineWeightGradient(x, delta,
                              {gradients[i].kernel, layer.inputs, layer.outputs, layer.outputs});
    ops::AffineBiasGradient(delta, gradients[i].bias);
    if (i == 0) break;
    Matrix& below = scratch->deltas[i % 2];
    below.Reshape(range.count, layer.inputs);
    ops::AffineInputGradient(delta, KernelOf(layer, rows), below.view());
    ops::MaskByRelu(x, below.view());  // What was left out is 0 as well.
    if (dropout_ > 0) ops::Scale(1.0f / (1.0f - dropout_), below.view());
    delta = below.view();
  }
  const ops::ConstMatrixView kernel = KernelOf(layers_.front(), rows);
  for (const ColumnRange& columns : needed) {
    ops::AffineInputGradient(delta, KernelRows(kernel, columns),
                             ColumnsOf(RowsOf(input_gradient, range), columns));
  }
}

}  // namespace dime::models::internal
