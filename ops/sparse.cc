#include "ops/sparse.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "runtime/base/check.h"

namespace dime::ops {
namespace {

constexpr std::size_t kFirstCapacity = 1024;  // A power of two.

std::int64_t NumExamples(const LookupUse& use) {
  return static_cast<std::int64_t>(use.offsets.empty() ? use.positions.size()
                                                       : use.offsets.size() - 1);
}

// What one example looks up.
struct Values {
  std::span<const std::int32_t> positions;
  std::span<const float> weights;  // Empty: all 1.

  [[nodiscard]] std::size_t size() const { return positions.size(); }
  [[nodiscard]] float WeightOf(std::size_t value) const {
    return weights.empty() ? 1.0f : weights[value];
  }
};

Values ValuesOf(const LookupUse& use, std::int64_t example) {
  const auto e = static_cast<std::size_t>(example);
  const auto first = use.offsets.empty() ? e : static_cast<std::size_t>(use.offsets[e]);
  const auto end = use.offsets.empty() ? e + 1 : static_cast<std::size_t>(use.offsets[e + 1]);
  Values values{.positions = std::span(use.positions).subspan(first, end - first), .weights = {}};
  if (!use.weights.empty()) values.weights = std::span(use.weights).subspan(first, end - first);
  return values;
}

bool Counts(const Values& values, std::size_t value, Combiner combiner) {
  return values.positions[value] >= 0 && (combiner == Combiner::kSum || values.WeightOf(value) > 0);
}

// What the weighted sum of an example's rows is divided by; 0 when there are none.
float Divisor(const Values& values, Combiner combiner) {
  float sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!Counts(values, i, combiner)) continue;
    const float weight = values.WeightOf(i);
    sum += combiner == Combiner::kSqrtn ? weight * weight : weight;
  }
  switch (combiner) {
    case Combiner::kSum:
      return 1.0f;
    case Combiner::kMean:
      return sum;
    case Combiner::kSqrtn:
      return std::sqrt(sum);
  }
  DIME_CHECK(false);
}

void AddRow(const float* x, std::int64_t dim, float* sum) {
  if (dim == 1) {  // Linear weights of a single logit.
    *sum += *x;
    return;
  }
  for (std::int64_t i = 0; i < dim; ++i) sum[i] += x[i];
}

void AddScaledRow(const float* x, float scale, std::int64_t dim, float* sum) {
  for (std::int64_t i = 0; i < dim; ++i) sum[i] += scale * x[i];
}

// One value of weight 1 an example: no combiner changes it. Most columns are so.
bool HasOneEach(const LookupUse& use) { return use.offsets.empty() && use.weights.empty(); }

// The positions of a range of such examples.
std::span<const std::int32_t> PositionsOf(const LookupUse& use, ExampleRange examples) {
  return std::span(use.positions)
      .subspan(static_cast<std::size_t>(examples.first), static_cast<std::size_t>(examples.count));
}

// f(index, position) for each of the positions that is valid.
template <typename F>
void ForEachValid(std::span<const std::int32_t> positions, const F& f) {
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] >= 0) f(static_cast<std::int64_t>(i), std::int64_t{positions[i]});
  }
}

bool IsWithin(ExampleRange examples, const LookupUse& use) {
  return examples.first >= 0 && examples.count >= 0 &&
         examples.first + examples.count <= NumExamples(use);
}

void CopyRows(std::span<const std::int32_t> positions, const float* rows, MatrixView out) {
  const auto row_bytes = static_cast<std::size_t>(out.cols) * sizeof(float);
  for (std::int64_t e = 0; e < out.rows; ++e) {
    const std::int32_t position = positions[static_cast<std::size_t>(e)];
    float* const target = out.data + e * out.stride;
    if (position < 0) {
      std::memset(target, 0, row_bytes);
    } else {
      std::memcpy(target, rows + position * out.cols, row_bytes);
    }
  }
}

}  // namespace

ExampleRange AllExamples(const LookupUse& use) { return {0, NumExamples(use)}; }

void CombineRows(const LookupUse& use, ExampleRange examples, std::span<const float> rows,
                 Combiner combiner, MatrixView out) {
  DIME_CHECK(IsWithin(examples, use) && examples.count == out.rows);
  if (HasOneEach(use)) return CopyRows(PositionsOf(use, examples), rows.data(), out);
  for (std::int64_t e = 0; e < out.rows; ++e) {
    float* const target = out.data + e * out.stride;
    std::fill_n(target, out.cols, 0.0f);
    const Values values = ValuesOf(use, examples.first + e);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!Counts(values, i, combiner)) continue;
      AddScaledRow(rows.data() + values.positions[i] * out.cols, values.WeightOf(i), out.cols,
                   target);
    }
    const float divisor = Divisor(values, combiner);
    if (divisor == 0 || divisor == 1) continue;
    for (std::int64_t i = 0; i < out.cols; ++i) target[i] /= divisor;
  }
}

void AddCombinedGradient(const LookupUse& use, ConstMatrixView dout, Combiner combiner,
                         std::span<float> row_gradients) {
  DIME_CHECK(NumExamples(use) == dout.rows);
  if (HasOneEach(use)) {
    return ForEachValid(use.positions, [&](std::int64_t e, std::int64_t position) {
      AddRow(dout.data + e * dout.stride, dout.cols, row_gradients.data() + position * dout.cols);
    });
  }
  for (std::int64_t e = 0; e < dout.rows; ++e) {
    const Values values = ValuesOf(use, e);
    const float scale = 1.0f / Divisor(values, combiner);  // Infinite where no value counts.
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!Counts(values, i, combiner)) continue;
      AddScaledRow(dout.data + e * dout.stride, scale * values.WeightOf(i), dout.cols,
                   row_gradients.data() + values.positions[i] * dout.cols);
    }
  }
}

void AddLinearTerms(const LookupUse& use, ExampleRange examples, std::span<const float> weights,
                    std::size_t dim, std::span<float> logits) {
  DIME_CHECK(IsWithin(examples, use) &&
             static_cast<std::size_t>(examples.count) * dim == logits.size());
  const auto width = static_cast<std::int64_t>(dim);
  if (HasOneEach(use)) {
    return ForEachValid(PositionsOf(use, examples), [&](std::int64_t e, std::int64_t position) {
      AddRow(weights.data() + position * width, width, logits.data() + e * width);
    });
  }
  for (std::int64_t e = 0; e < examples.count; ++e) {
    const Values values = ValuesOf(use, examples.first + e);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values.positions[i] < 0) continue;
      AddScaledRow(weights.data() + values.positions[i] * width, values.WeightOf(i), width,
                   logits.data() + e * width);
    }
  }
}

void AddLinearGradient(const LookupUse& use, std::span<const float> dlogits, std::size_t dim,
                       std::span<float> weight_gradients) {
  DIME_CHECK(static_cast<std::size_t>(NumExamples(use)) * dim == dlogits.size());
  const auto width = static_cast<std::int64_t>(dim);
  if (HasOneEach(use)) {
    return ForEachValid(use.positions, [&](std::int64_t e, std::int64_t position) {
      AddRow(dlogits.data() + e * width, width, weight_gradients.data() + position * width);
    });
  }
  for (std::int64_t e = 0; e < NumExamples(use); ++e) {
    const Values values = ValuesOf(use, e);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values.positions[i] < 0) continue;
      AddScaledRow(dlogits.data() + e * width, values.WeightOf(i), width,
                   weight_gradients.data() + values.positions[i] * width);
    }
  }
}

void AddProducts(std::span<const float> numbers, std::span<const float> weights, std::size_t dim,
                 std::span<float> logits) {
  const std::size_t num_inputs = weights.size() / dim;
  DIME_CHECK(numbers.size() * dim == logits.size() * num_inputs);
  for (std::size_t e = 0; e < logits.size() / dim; ++e) {
    for (std::size_t i = 0; i < num_inputs; ++i) {
      AddScaledRow(weights.data() + i * dim, numbers[e * num_inputs + i],
                   static_cast<std::int64_t>(dim), logits.data() + e * dim);
    }
  }
}

void AddOuterProducts(std::span<const float> numbers, std::span<const float> dlogits,
                      std::size_t dim, std::span<float> weight_gradients) {
  const std::size_t num_inputs = weight_gradients.size() / dim;
  DIME_CHECK(numbers.size() * dim == dlogits.size() * num_inputs);
  for (std::size_t e = 0; e < dlogits.size() / dim; ++e) {
    for (std::size_t i = 0; i < num_inputs; ++i) {
      AddScaledRow(dlogits.data() + e * dim, numbers[e * num_inputs + i],
                   static_cast<std::int64_t>(dim), weight_gradients.data() + i * dim);
    }
  }
}

void Deduplicator::Start(std::int64_t num_rows, std::vector<std::int64_t>* distinct) {
  num_rows_ = num_rows;
  distinct_ = distinct;
  distinct_->clear();
  if (slots_.empty()) slots_.resize(kFirstCapacity);
  if (++round_ == 0) {  // Slots of 2^32 rounds ago would look fresh.
    std::fill(slots_.begin(), slots_.end(), Slot{});
    round_ = 1;
  }
}

Deduplicator::Slot& Deduplicator::Find(std::int64_t id) {
  // Fibonacci hashing: the product's upper bits depend on all of the id's.
  constexpr std::uint64_t kGoldenRatio = 0x9e3779b97f4a7c15;
  const int shift = std::countl_zero(slots_.size()) + 1;
  std::size_t at = (static_cast<std::uint64_t>(id) * kGoldenRatio) >> shift;
  while (slots_[at].round == round_ && slots_[at].id != id) at = (at + 1) & (slots_.size() - 1);
  return slots_[at];
}

std::int32_t Deduplicator::Position(std::int64_t id) {
  if (id < 0) return -1;
  DIME_CHECK(id < num_rows_);
  Slot& slot = Find(id);
  if (slot.round == round_) return slot.position;
  const auto position = static_cast<std::int32_t>(distinct_->size());
  slot = {id, round_, position};
  distinct_->push_back(id);
  if (distinct_->size() * 2 > slots_.size()) Grow();
  return position;
}

void Deduplicator::Grow() {
  slots_.assign(slots_.size() * 2, Slot{});
  round_ = 1;
  for (std::size_t i = 0; i < distinct_->size(); ++i) {
    const std::int64_t id = (*distinct_)[i];
    Find(id) = {id, round_, static_cast<std::int32_t>(i)};
  }
}

}  // namespace dime::ops
