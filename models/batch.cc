#include "models/batch.h"

#include <algorithm>
#include <cstddef>

#include "runtime/base/check.h"

namespace dime::models {
namespace {

template <typename T>
void Gather(const std::vector<T>& source, std::span<const std::int64_t> indices, std::size_t dim,
            std::vector<T>* out) {
  out->clear();
  if (source.empty()) return;
  out->reserve(indices.size() * dim);
  for (const std::int64_t index : indices) {
    const auto first = source.begin() + index * static_cast<std::int64_t>(dim);
    out->insert(out->end(), first, first + static_cast<std::int64_t>(dim));
  }
}

template <typename T>
void AppendRange(const std::vector<T>& source, std::int32_t first, std::int32_t end,
                 std::vector<T>* out) {
  out->insert(out->end(), source.begin() + first, source.begin() + end);
}

void GatherIds(const IdColumn& source, std::span<const std::int64_t> indices, IdColumn* out) {
  if (source.offsets.empty()) {
    out->offsets.clear();
    Gather(source.ids, indices, 1, &out->ids);
    return Gather(source.weights, indices, 1, &out->weights);
  }
  out->ids.clear();
  out->weights.clear();
  out->offsets.assign(1, 0);
  for (const std::int64_t index : indices) {
    const auto e = static_cast<std::size_t>(index);
    const std::int32_t first = source.offsets[e];
    const std::int32_t end = source.offsets[e + 1];
    AppendRange(source.ids, first, end, &out->ids);
    if (!source.weights.empty()) AppendRange(source.weights, first, end, &out->weights);
    out->offsets.push_back(static_cast<std::int32_t>(out->ids.size()));
  }
}

// Appends `more` to the weights of `num_before` values, of which there then are `num_after`. No
// weights stand for weights of 1.
void AppendWeights(const std::vector<float>& more, std::size_t num_before, std::size_t num_after,
                   std::vector<float>* to) {
  if (more.empty() && to->empty()) return;
  to->resize(num_before, 1.0f);
  to->insert(to->end(), more.begin(), more.end());
  to->resize(num_after, 1.0f);
}

template <typename T>
void Append(const std::vector<T>& more, std::vector<T>* to) {
  to->insert(to->end(), more.begin(), more.end());
}

// A vector that is made a little larger again and again is copied as seldom as by push_back().
template <typename T>
void Reserve(std::size_t size, std::vector<T>* values) {
  if (size > values->capacity()) values->reserve(std::max(size, values->capacity() * 3 / 2));
}

// Writes out the offsets that stand for "one an example".
void FillOffsets(std::int64_t num_examples, std::vector<std::int32_t>* offsets) {
  if (!offsets->empty()) return;
  for (std::int64_t e = 0; e <= num_examples; ++e) {
    offsets->push_back(static_cast<std::int32_t>(e));
  }
}

void AppendIds(const IdColumn& more, std::int64_t num_more, std::int64_t num_examples,
               IdColumn* to) {
  if (!more.offsets.empty() || !to->offsets.empty()) {
    FillOffsets(num_examples, &to->offsets);
    std::vector<std::int32_t> more_offsets = more.offsets;
    FillOffsets(num_more, &more_offsets);
    const std::int32_t shift = to->offsets.back();
    for (std::size_t e = 1; e < more_offsets.size(); ++e) {
      to->offsets.push_back(more_offsets[e] + shift);
    }
  }
  const std::size_t num_before = to->ids.size();
  Append(more.ids, &to->ids);
  AppendWeights(more.weights, num_before, to->ids.size(), &to->weights);
}

}  // namespace

void GatherExamples(const Batch& source, std::span<const std::int64_t> indices, Batch* out) {
  DIME_CHECK(out != &source);
  out->num_examples = static_cast<std::int64_t>(indices.size());
  out->ids.resize(source.ids.size());
  out->floats.resize(source.floats.size());
  for (std::size_t c = 0; c < source.ids.size(); ++c) {
    GatherIds(source.ids[c], indices, &out->ids[c]);
  }
  for (std::size_t c = 0; c < source.floats.size(); ++c) {
    const FloatColumn& column = source.floats[c];
    out->floats[c].dim = column.dim;
    Gather(column.values, indices, static_cast<std::size_t>(column.dim), &out->floats[c].values);
  }
  Gather(source.labels, indices, 1, &out->labels);
  Gather(source.weights, indices, 1, &out->weights);
  Gather(source.records, indices, 1, &out->records);
}

void ReserveExamples(std::int64_t num_examples, Batch* batch) {
  const auto size = static_cast<std::size_t>(num_examples);
  for (IdColumn& column : batch->ids) Reserve(size, &column.ids);
  for (FloatColumn& column : batch->floats) {
    Reserve(size * static_cast<std::size_t>(column.dim), &column.values);
  }
  Reserve(size, &batch->labels);
}

void AppendExamples(const Batch& more, Batch* batch) {
  DIME_CHECK(more.ids.size() == batch->ids.size() && more.floats.size() == batch->floats.size());
  if (more.num_examples == 0) return;
  const bool is_first = batch->num_examples == 0;
  DIME_CHECK(is_first || more.labels.empty() == batch->labels.empty());
  DIME_CHECK(is_first || more.records.empty() == batch->records.empty());
  for (std::size_t c = 0; c < more.ids.size(); ++c) {
    AppendIds(more.ids[c], more.num_examples, batch->num_examples, &batch->ids[c]);
  }
  for (std::size_t c = 0; c < more.floats.size(); ++c) {
    DIME_CHECK(more.floats[c].dim == batch->floats[c].dim);
    Append(more.floats[c].values, &batch->floats[c].values);
  }
  Append(more.labels, &batch->labels);
  Append(more.records, &batch->records);
  const auto num_before = static_cast<std::size_t>(batch->num_examples);
  batch->num_examples += more.num_examples;
  AppendWeights(more.weights, num_before, static_cast<std::size_t>(batch->num_examples),
                &batch->weights);
}

}  // namespace dime::models
