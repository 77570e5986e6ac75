#include "models/batch.h"

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

void GatherIds(const IdColumn& source, std::span<const std::int64_t> indices, IdColumn* out) {
  if (source.offsets.empty()) {
    out->offsets.clear();
    return Gather(source.ids, indices, 1, &out->ids);
  }
  out->ids.clear();
  out->offsets.assign(1, 0);
  for (const std::int64_t index : indices) {
    const auto e = static_cast<std::size_t>(index);
    out->ids.insert(out->ids.end(), source.ids.begin() + source.offsets[e],
                    source.ids.begin() + source.offsets[e + 1]);
    out->offsets.push_back(static_cast<std::int32_t>(out->ids.size()));
  }
}

template <typename T>
void Append(const std::vector<T>& more, std::vector<T>* to) {
  to->insert(to->end(), more.begin(), more.end());
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
  Append(more.ids, &to->ids);
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
  if (!more.weights.empty() || !batch->weights.empty()) {
    batch->weights.resize(num_before, 1.0f);  // No weights stand for weights of 1.
    Append(more.weights, &batch->weights);
    batch->weights.resize(static_cast<std::size_t>(batch->num_examples), 1.0f);
  }
}

}  // namespace dime::models
