#include "models/model.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/internal/input_layer.h"
#include "models/internal/linear_part.h"
#include "models/internal/matrix.h"
#include "models/internal/network.h"
#include "models/internal/variables.h"
#include "ops/dense.h"
#include "ops/sparse.h"

namespace dime::models {
namespace {

using internal::Matrix;
using internal::Network;
using internal::RowRange;

// A batch is cut into slices by its size alone, so that the sum of their gradients is the same on
// any number of threads. Smaller slices would cost more in hand-over than a second thread brings;
// larger ones leave the second-level cache between their forward and backward passes.
constexpr std::int64_t kSliceExamples = 128;
constexpr std::int64_t kMaxSlices = 16;

std::int64_t NumSlices(std::int64_t num_examples) {
  return std::clamp<std::int64_t>(num_examples / kSliceExamples, 1, kMaxSlices);
}

RowRange SliceOf(std::int64_t num_examples, std::int64_t num_slices, std::int64_t slice) {
  const std::int64_t first = num_examples * slice / num_slices;
  return {first, num_examples * (slice + 1) / num_slices - first};
}

// The part of a column of a batch that belongs to a slice; empty when the column is.
template <typename Column>
auto PartOf(Column& column, RowRange range) {
  const std::span all(column);
  if (all.empty()) return all;
  return all.subspan(static_cast<std::size_t>(range.first), static_cast<std::size_t>(range.count));
}

}  // namespace

class Workspace::Impl {
 public:
  struct Slice {
    RowRange range;
    double loss = 0;
    Matrix dense_input;
    internal::SparseMatrix sparse_input;
    internal::AlignedFloats memory;  // For `gradients` of every slice but the first.
    std::vector<Network::LayerGradients> gradients;
    Network::Scratch scratch;
  };

  ops::Deduplicator deduplicator;
  // Of the whole batch of the last pass.
  Matrix dense_gradient;        // Only the columns that embeddings fill are ever set.
  std::vector<Matrix> outputs;  // One a layer.
  std::vector<float> linear_logits;
  std::vector<float> logits;
  std::vector<float> logit_gradients;
  std::vector<Slice> slices;  // More than the last pass had, perhaps.
  // The rows of the first kernel that meet dense input: a view of the step's rows, or of the copy.
  ops::ConstMatrixView dense_kernel;
  Matrix dense_kernel_copy;
};

Workspace::Workspace() : impl_(std::make_unique<Impl>()) {}
Workspace::~Workspace() = default;

class Model::Impl {
 public:
  explicit Impl(const ModelDescription& description)
      : description_(description), encoder_(description), head_(MakeHead(description)) {
    const std::int64_t num_logits = head_->logit_dim();
    const Schema& schema = encoder_.schema();
    // The parts add their variables as they are built: their order is TensorFlow's.
    if (HasDnnPart(description.estimator.kind)) {
      input_layer_.emplace(description, schema, &variables_);
      network_.emplace(description.estimator, *input_layer_, num_logits, &variables_);
    }
    num_deep_tables_ = variables_.tables().size();
    if (HasLinearPart(description.estimator.kind)) {
      linear_part_.emplace(description, schema, num_logits, &variables_);
    }
  }

  void MakeLookups(const Batch& batch, Workspace::Impl& workspace, ops::Lookups* lookups) const {
    variables_.MakeLookups(batch, &workspace.deduplicator, lookups);
  }
  void Forward(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
               base::ThreadPool* pool, Workspace::Impl& workspace, std::span<float> logits) const;
  double TrainStep(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
                   base::ThreadPool* pool, Workspace::Impl& workspace,
                   ops::Gradients* gradients) const;
  [[nodiscard]] std::vector<LayerActivations> Activations(const Workspace::Impl& workspace) const;

  [[nodiscard]] const ModelDescription& description() const { return description_; }
  [[nodiscard]] const RecordEncoder& encoder() const { return encoder_; }
  [[nodiscard]] const Head& head() const { return *head_; }
  [[nodiscard]] const std::vector<ops::TableSpec>& tables() const { return variables_.tables(); }

 private:
  using Slice = Workspace::Impl::Slice;

  // What comes before the slices; returns their number.
  int Start(const Batch& batch, const ops::Rows& rows, Workspace::Impl& workspace) const;
  // With a `dropout_key` as in Network::Forward().
  void ForwardSlice(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
                    std::optional<std::uint64_t> dropout_key, Workspace::Impl& workspace,
                    Slice& slice, std::span<float> logits) const;
  void TrainSlice(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
                  float scale, Workspace::Impl& workspace, Slice& slice) const;
  // What is summed over all slices or examples comes in parts, which touch different gradients.
  [[nodiscard]] int NumSums() const;
  void AddUp(int part, const Batch& batch, const ops::Lookups& lookups, Workspace::Impl& workspace,
             std::span<const Slice> slices, ops::Gradients* gradients) const;
  [[nodiscard]] std::size_t NumLogits(const Batch& batch) const {
    return static_cast<std::size_t>(batch.num_examples * head_->logit_dim());
  }
  // The logits, or their gradients, of a range of examples.
  [[nodiscard]] std::span<float> RowsOf(std::span<float> logits, RowRange range) const {
    return logits.subspan(static_cast<std::size_t>(range.first * head_->logit_dim()),
                          static_cast<std::size_t>(range.count * head_->logit_dim()));
  }
  [[nodiscard]] double LossScale(const Batch& batch) const;
  void ResizeGradients(const ops::Lookups& lookups, ops::Gradients* gradients) const;
  void PointToGradients(ops::Gradients* gradients, std::span<Slice> slices) const;
  static void AddToFirst(const Network::Layer& layer, std::size_t index,
                         std::span<const Slice> slices);
  // Each part's gradients, together, to the norm that the description allows.
  void ClipGradients(ops::Gradients* gradients) const;

  const ModelDescription description_;
  const RecordEncoder encoder_;
  const std::unique_ptr<const Head> head_;
  internal::Variables variables_;
  // The deep part: both or none.
  std::optional<internal::InputLayer> input_layer_;
  std::optional<Network> network_;
  std::optional<internal::LinearPart> linear_part_;
  std::size_t num_deep_tables_ = 0;  // Those of the deep part come first.
};

int Model::Impl::Start(const Batch& batch, const ops::Rows& rows,
                       Workspace::Impl& workspace) const {
  const std::int64_t num_slices = NumSlices(batch.num_examples);
  if (workspace.slices.size() < static_cast<std::size_t>(num_slices)) {
    workspace.slices.resize(static_cast<std::size_t>(num_slices));
  }
  for (std::int64_t s = 0; s < num_slices; ++s) {
    workspace.slices[static_cast<std::size_t>(s)].range =
        SliceOf(batch.num_examples, num_slices, s);
  }
  if (network_) {
    workspace.outputs.resize(network_->layers().size());
    for (std::size_t i = 0; i < workspace.outputs.size(); ++i) {
      workspace.outputs[i].Reshape(batch.num_examples, network_->layers()[i].outputs);
    }
    workspace.dense_kernel = network_->DenseKernel(rows, &workspace.dense_kernel_copy);
  }
  if (linear_part_) workspace.linear_logits.resize(NumLogits(batch));
  return static_cast<int>(num_slices);
}

void Model::Impl::ForwardSlice(const Batch& batch, const ops::Lookups& lookups,
                               const ops::Rows& rows, std::optional<std::uint64_t> dropout_key,
                               Workspace::Impl& workspace, Slice& slice,
                               std::span<float> logits) const {
  const RowRange range = slice.range;
  const std::span<float> out = RowsOf(logits, range);
  if (linear_part_) {
    const std::span<float> linear_logits = RowsOf(workspace.linear_logits, range);
    linear_part_->Forward(batch, lookups, rows, range, linear_logits);
    std::ranges::copy(linear_logits, out.begin());
  } else {
    std::ranges::fill(out, 0.0f);
  }
  if (!network_) return;
  slice.dense_input.Reshape(range.count, input_layer_->dense_width());
  input_layer_->FillDense(batch, lookups, rows, range, slice.dense_input.view());
  input_layer_->FillSparse(batch, range, &slice.sparse_input);
  network_->Forward(rows, workspace.dense_kernel, range,
                    {slice.dense_input.view(), slice.sparse_input.view()}, workspace.outputs,
                    dropout_key);
  const ops::MatrixView deep = internal::RowsOf(workspace.outputs.back().view(), range);
  if (deep.stride == deep.cols) return ops::AddTo(deep.data, deep.rows * deep.cols, out.data());
  for (std::int64_t e = 0; e < deep.rows; ++e) {
    ops::AddTo(deep.data + e * deep.stride, deep.cols, out.data() + e * deep.cols);
  }
}

void Model::Impl::Forward(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
                          base::ThreadPool* pool, Workspace::Impl& workspace,
                          std::span<float> logits) const {
  const int num_slices = Start(batch, rows, workspace);
  const auto run = [&](int s) {
    ForwardSlice(batch, lookups, rows, std::nullopt, workspace,
                 workspace.slices[static_cast<std::size_t>(s)], logits);
  };
  pool->ParallelFor(num_slices, std::cref(run));  // A reference: a copy would take memory.
}

double Model::Impl::LossScale(const Batch& batch) const {
  return models::LossScale(description_.estimator.loss_reduction, batch.num_examples,
                           batch.weights);
}

void Model::Impl::TrainSlice(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
                             float scale, Workspace::Impl& workspace, Slice& slice) const {
  ForwardSlice(batch, lookups, rows, batch.random_key, workspace, slice, workspace.logits);
  slice.loss = head_->LossGradient(
      RowsOf(workspace.logits, slice.range), PartOf(batch.labels, slice.range),
      PartOf(batch.weights, slice.range), scale, RowsOf(workspace.logit_gradients, slice.range));
  if (!network_) return;
  const std::int64_t num_logits = head_->logit_dim();
  const ops::MatrixView logit_gradients = {workspace.logit_gradients.data(), batch.num_examples,
                                           num_logits, num_logits};
  network_->Backward(rows, workspace.dense_kernel, slice.range,
                     {slice.dense_input.view(), slice.sparse_input.view()}, workspace.outputs,
                     logit_gradients, workspace.dense_gradient.view(), slice.gradients,
                     &slice.scratch);
}

double Model::Impl::TrainStep(const Batch& batch, const ops::Lookups& lookups,
                              const ops::Rows& rows, base::ThreadPool* pool,
                              Workspace::Impl& workspace, ops::Gradients* gradients) const {
  const int num_slices = Start(batch, rows, workspace);
  const std::span slices = std::span(workspace.slices).first(static_cast<std::size_t>(num_slices));
  workspace.logits.resize(NumLogits(batch));
  workspace.logit_gradients.resize(NumLogits(batch));
  ResizeGradients(lookups, gradients);
  if (network_) {
    workspace.dense_gradient.Reshape(batch.num_examples, input_layer_->dense_width());
    PointToGradients(gradients, slices);
  }

  const double scale = LossScale(batch);
  const auto run = [&](int s) {
    TrainSlice(batch, lookups, rows, static_cast<float>(scale), workspace,
               slices[static_cast<std::size_t>(s)]);
  };
  pool->ParallelFor(num_slices, std::cref(run));
  const auto add_up = [&](int part) { AddUp(part, batch, lookups, workspace, slices, gradients); };
  if (num_slices == 1) {  // Too little to be worth a hand-over.
    for (int part = 0; part < NumSums(); ++part) add_up(part);
  } else {
    pool->ParallelFor(NumSums(), std::cref(add_up));
  }
  if (description_.estimator.gradient_clip_norm > 0) ClipGradients(gradients);
  double loss = 0;
  for (const Slice& slice : slices) loss += slice.loss;
  return scale * loss;
}

void Model::Impl::ResizeGradients(const ops::Lookups& lookups, ops::Gradients* gradients) const {
  gradients->tables.resize(tables().size());
  for (std::size_t t = 0; t < tables().size(); ++t) {
    if (tables()[t].dense) {
      gradients->tables[t].resize(static_cast<std::size_t>(tables()[t].dim));
    } else {
      gradients->tables[t].assign(
          lookups.tables[t].ids.size() * static_cast<std::size_t>(tables()[t].dim), 0.0f);
    }
  }
}

// The first slice writes where the sum is to be; each other one has room of its own.
void Model::Impl::PointToGradients(ops::Gradients* gradients, std::span<Slice> slices) const {
  const std::vector<Network::Layer>& layers = network_->layers();
  std::int64_t size = 0;
  for (const Network::Layer& layer : layers) size += (layer.inputs + 1) * layer.outputs;
  for (Slice& slice : slices) {
    const bool is_first = &slice == &slices.front();
    float* room = is_first ? nullptr : slice.memory.Reserve(size);
    slice.gradients.resize(layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (is_first) {
        slice.gradients[i] = {gradients->tables[layers[i].kernel_table].data(),
                              gradients->tables[layers[i].bias_table].data()};
      } else {
        slice.gradients[i] = {room, room + layers[i].inputs * layers[i].outputs};
        room += (layers[i].inputs + 1) * layers[i].outputs;
      }
    }
  }
}

int Model::Impl::NumSums() const {
  const std::size_t deep = network_ ? network_->layers().size() + 1 : 0;
  return static_cast<int>(deep + (linear_part_ ? linear_part_->num_gradient_parts() : 0));
}

void Model::Impl::AddUp(int part, const Batch& batch, const ops::Lookups& lookups,
                        Workspace::Impl& workspace, std::span<const Slice> slices,
                        ops::Gradients* gradients) const {
  auto left = static_cast<std::size_t>(part);
  if (network_) {
    const std::vector<Network::Layer>& layers = network_->layers();
    if (left < layers.size()) return AddToFirst(layers[left], left, slices);
    left -= layers.size();
    if (left == 0) {
      return input_layer_->AddGradients(lookups, workspace.dense_gradient.view(), gradients);
    }
    --left;
  }
  linear_part_->AddGradients(left, batch, lookups, workspace.logit_gradients, gradients);
}

void Model::Impl::AddToFirst(const Network::Layer& layer, std::size_t index,
                             std::span<const Slice> slices) {
  const Network::LayerGradients& sums = slices.front().gradients[index];
  for (const Slice& slice : slices.subspan(1)) {
    ops::AddTo(slice.gradients[index].kernel, layer.inputs * layer.outputs, sums.kernel);
    ops::AddTo(slice.gradients[index].bias, layer.outputs, sums.bias);
  }
}

void Model::Impl::ClipGradients(ops::Gradients* gradients) const {
  const std::span all(gradients->tables);
  for (const std::span part : {all.first(num_deep_tables_), all.subspan(num_deep_tables_)}) {
    double square = 0;
    for (const std::vector<float>& gradient : part) {
      for (const float g : gradient) square += static_cast<double>(g) * static_cast<double>(g);
    }
    const double norm = std::sqrt(square);
    const double allowed = description_.estimator.gradient_clip_norm;
    if (norm <= allowed) continue;
    const auto factor = static_cast<float>(allowed / norm);
    for (std::vector<float>& gradient : part) {
      for (float& g : gradient) g *= factor;
    }
  }
}

std::vector<LayerActivations> Model::Impl::Activations(const Workspace::Impl& workspace) const {
  std::vector<LayerActivations> activations;
  for (std::size_t i = 0; i < workspace.outputs.size(); ++i) {
    const ops::MatrixView& output = workspace.outputs[i].view();
    LayerActivations layer;
    layer.tag = i + 1 == workspace.outputs.size() ? "dnn/dnn/logits"
                                                  : "dnn/dnn/hiddenlayer_" + std::to_string(i);
    layer.values.reserve(static_cast<std::size_t>(output.rows * output.cols));
    for (std::int64_t e = 0; e < output.rows; ++e) {
      const float* const row = output.data + e * output.stride;
      layer.values.insert(layer.values.end(), row, row + output.cols);
    }
    activations.push_back(std::move(layer));
  }
  // TensorFlow's linear estimators have no summary of it.
  if (linear_part_ && network_) activations.push_back({"linear/linear", workspace.linear_logits});
  return activations;
}

Model::Model(const ModelDescription& description) : impl_(std::make_unique<Impl>(description)) {}
Model::~Model() = default;

const ModelDescription& Model::description() const { return impl_->description(); }
const RecordEncoder& Model::encoder() const { return impl_->encoder(); }
const Head& Model::head() const { return impl_->head(); }
const std::vector<ops::TableSpec>& Model::tables() const { return impl_->tables(); }

void Model::MakeLookups(const Batch& batch, Workspace* workspace, ops::Lookups* lookups) const {
  impl_->MakeLookups(batch, *workspace->impl_, lookups);
}

void Model::Forward(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
                    base::ThreadPool* pool, Workspace* workspace, std::span<float> logits) const {
  impl_->Forward(batch, lookups, rows, pool, *workspace->impl_, logits);
}

double Model::TrainStep(const Batch& batch, const ops::Lookups& lookups, const ops::Rows& rows,
                        base::ThreadPool* pool, Workspace* workspace,
                        ops::Gradients* gradients) const {
  return impl_->TrainStep(batch, lookups, rows, pool, *workspace->impl_, gradients);
}

std::vector<LayerActivations> Model::Activations(const Workspace& workspace) const {
  return impl_->Activations(*workspace.impl_);
}

}  // namespace dime::models
