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

// What the sum of an example's `count` rows is divided by.
float Divisor(Combiner combiner, int count) {
  switch (combiner) {
    case Combiner::kSum:
      return 1.0f;
    case Combiner::kMean:
      return static_cast<float>(count);
    case Combiner::kSqrtn:
      return std::sqrt(static_cast<float>(count));
  }
  DIME_CHECK(false);
}

std::int64_t NumExamples(const LookupUse& use) {
  return static_cast<std::int64_t>(use.offsets.empty() ? use.positions.size()
                                                       : use.offsets.size() - 1);
}

std::span<const std::int32_t> PositionsOf(const LookupUse& use, std::int64_t example) {
  const auto e = static_cast<std::size_t>(example);
  const std::span<const std::int32_t> all = use.positions;
  if (use.offsets.empty()) return all.subspan(e, 1);
  const auto first = static_cast<std::size_t>(use.offsets[e]);
  return all.subspan(first, static_cast<std::size_t>(use.offsets[e + 1]) - first);
}

int CountValid(std::span<const std::int32_t> positions) {
  return static_cast<int>(
      std::count_if(positions.begin(), positions.end(), [](std::int32_t p) { return p >= 0; }));
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

// One value an example: every combiner gives the row itself.
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

void CombineRows(const LookupUse& use, std::span<const float> rows, Combiner combiner,
                 MatrixView out) {
  DIME_CHECK(NumExamples(use) == out.rows);
  if (use.offsets.empty()) return CopyRows(use.positions, rows.data(), out);
  for (std::int64_t e = 0; e < out.rows; ++e) {
    float* const target = out.data + e * out.stride;
    std::fill_n(target, out.cols, 0.0f);
    const auto positions = PositionsOf(use, e);
    for (const std::int32_t position : positions) {
      if (position >= 0) AddRow(rows.data() + position * out.cols, out.cols, target);
    }
    const int count = CountValid(positions);
    if (count < 2) continue;
    const float divisor = Divisor(combiner, count);
    for (std::int64_t i = 0; i < out.cols; ++i) target[i] /= divisor;
  }
}

void AddCombinedGradient(const LookupUse& use, ConstMatrixView dout, Combiner combiner,
                         std::span<float> row_gradients) {
  DIME_CHECK(NumExamples(use) == dout.rows);
  for (std::int64_t e = 0; e < dout.rows; ++e) {
    const auto positions = PositionsOf(use, e);
    const int count = CountValid(positions);
    if (count == 0) continue;
    const float scale = 1.0f / Divisor(combiner, count);
    for (const std::int32_t position : positions) {
      if (position < 0) continue;
      AddScaledRow(dout.data + e * dout.stride, scale, dout.cols,
                   row_gradients.data() + position * dout.cols);
    }
  }
}

void AddLinearTerms(const LookupUse& use, std::span<const float> weights, std::size_t dim,
                    std::span<float> logits) {
  DIME_CHECK(static_cast<std::size_t>(NumExamples(use)) * dim == logits.size());
  for (std::size_t e = 0; e < logits.size() / dim; ++e) {
    for (const std::int32_t position : PositionsOf(use, static_cast<std::int64_t>(e))) {
      if (position < 0) continue;
      const float* const row = weights.data() + static_cast<std::size_t>(position) * dim;
      AddRow(row, static_cast<std::int64_t>(dim), logits.data() + e * dim);
    }
  }
}

void AddLinearGradient(const LookupUse& use, std::span<const float> dlogits, std::size_t dim,
                       std::span<float> weight_gradients) {
  DIME_CHECK(static_cast<std::size_t>(NumExamples(use)) * dim == dlogits.size());
  for (std::size_t e = 0; e < dlogits.size() / dim; ++e) {
    for (const std::int32_t position : PositionsOf(use, static_cast<std::int64_t>(e))) {
      if (position < 0) continue;
      float* const row = weight_gradients.data() + static_cast<std::size_t>(position) * dim;
      AddRow(dlogits.data() + e * dim, static_cast<std::int64_t>(dim), row);
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

void CountIds(std::span<const std::int64_t> ids, std::span<const std::int32_t> offsets,
              MatrixView out) {
  DIME_CHECK(static_cast<std::int64_t>(offsets.empty() ? ids.size() : offsets.size() - 1) ==
             out.rows);
  for (std::int64_t e = 0; e < out.rows; ++e) {
    float* const counts = out.data + e * out.stride;
    std::fill_n(counts, out.cols, 0.0f);
    const auto i = static_cast<std::size_t>(e);
    const auto first = offsets.empty() ? i : static_cast<std::size_t>(offsets[i]);
    const auto end = offsets.empty() ? i + 1 : static_cast<std::size_t>(offsets[i + 1]);
    for (const std::int64_t id : ids.subspan(first, end - first)) {
      if (id >= 0) counts[id] += 1.0f;
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
