#include "ops/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include "ops/cpu/kernels.h"
#include "runtime/base/check.h"

namespace dime::ops {
namespace {

constexpr std::array<std::string_view, 1> kAdagradSlots = {"Adagrad"};
constexpr std::array<std::string_view, 2> kFtrlSlots = {"Ftrl", "Ftrl_1"};

// How far ahead of its use a row is fetched into the cache: about one memory latency of updates.
constexpr std::size_t kPrefetchRows = 16;

// A rule updates one weight and its slots. Rules are branch-free, so that the compiler can update
// several at once.

class SgdRule {
 public:
  static constexpr int kNumSlots = 0;

  explicit SgdRule(const OptimizerSpec& spec) : learning_rate_(spec.learning_rate) {}

  void Update(float gradient, float& weight) const { weight -= learning_rate_ * gradient; }

 private:
  float learning_rate_;
};

class AdagradRule {
 public:
  static constexpr int kNumSlots = 1;

  explicit AdagradRule(const OptimizerSpec& spec) : learning_rate_(spec.learning_rate) {}

  [[nodiscard]] float learning_rate() const { return learning_rate_; }

  void Update(float gradient, float& weight, float& accumulator) const {
    accumulator += gradient * gradient;
    weight -= learning_rate_ * gradient / std::sqrt(accumulator);
  }

 private:
  float learning_rate_;
};

// n^(-learning_rate_power) for the usual power, -0.5, and for any.
struct SquareRoot {
  explicit SquareRoot(const OptimizerSpec&) {}
  float operator()(float n) const { return std::sqrt(n); }
};
struct Power {
  explicit Power(const OptimizerSpec& spec) : exponent(-spec.learning_rate_power) {}
  float operator()(float n) const { return std::pow(n, exponent); }
  float exponent;
};

template <typename PowerOf>
class FtrlRule {
 public:
  static constexpr int kNumSlots = 2;

  explicit FtrlRule(const OptimizerSpec& spec)
      : power_(spec), learning_rate_(spec.learning_rate), l1_(spec.l1), twice_l2_(2.0f * spec.l2) {}

  [[nodiscard]] float learning_rate() const { return learning_rate_; }
  [[nodiscard]] float l1() const { return l1_; }
  [[nodiscard]] float l2() const { return 0.5f * twice_l2_; }

  void Update(float gradient, float& weight, float& accumulator, float& linear) const {
    const float new_accumulator = accumulator + gradient * gradient;
    const float new_power = power_(new_accumulator);
    const float sigma = (new_power - power_(accumulator)) / learning_rate_;
    linear += gradient - sigma * weight;
    accumulator = new_accumulator;
    const float quadratic = new_power / learning_rate_ + twice_l2_;
    const float shrunk = (std::copysign(l1_, linear) - linear) / quadratic;
    weight = std::fabs(linear) > l1_ ? shrunk : 0.0f;
  }

 private:
  PowerOf power_;
  float learning_rate_;
  float l1_;
  float twice_l2_;
};

template <typename Function>
void WithRule(const OptimizerSpec& spec, Function&& function) {
  switch (spec.kind) {
    case OptimizerKind::kSgd:
      return function(SgdRule(spec));
    case OptimizerKind::kAdagrad:
      return function(AdagradRule(spec));
    case OptimizerKind::kFtrl:
      return spec.learning_rate_power == -0.5f ? function(FtrlRule<SquareRoot>(spec))
                                               : function(FtrlRule<Power>(spec));
  }
  DIME_CHECK(false);
}

// Rows from this length on are worth a call of the processor's own kernel.
constexpr std::int64_t kLongRow = 16;

// The parts of a record do not overlap: __restrict says so.
template <typename Rule>
void UpdateOneRow(const Rule& rule, std::int64_t dim, float* row, const float* gradient) {
  float* __restrict const weights = row;
  float* __restrict const slot0 = row + dim;
  float* __restrict const slot1 = row + 2 * dim;
  if constexpr (std::is_same_v<Rule, AdagradRule>) {
    if (dim >= kLongRow) {
      return cpu::Kernels().update_adagrad(rule.learning_rate(), gradient, dim, weights, slot0);
    }
  }
  if constexpr (std::is_same_v<Rule, FtrlRule<SquareRoot>>) {
    if (dim >= kLongRow) {
      return cpu::Kernels().update_ftrl(rule.learning_rate(), rule.l1(), rule.l2(), gradient, dim,
                                        weights, slot0, slot1);
    }
  }
  for (std::int64_t i = 0; i < dim; ++i) {
    if constexpr (Rule::kNumSlots == 0) rule.Update(gradient[i], weights[i]);
    if constexpr (Rule::kNumSlots == 1) rule.Update(gradient[i], weights[i], slot0[i]);
    if constexpr (Rule::kNumSlots == 2) rule.Update(gradient[i], weights[i], slot0[i], slot1[i]);
  }
}

// `kDim` 1 is for linear weights: three floats a record, and a loop without an inner one.
template <std::int64_t kDim, typename Rule>
void UpdateRowsWith(const Rule& rule, std::int64_t any_dim, float* records,
                    std::span<const std::int64_t> ids, const float* gradients) {
  const std::int64_t dim = kDim > 0 ? kDim : any_dim;
  const std::int64_t record_floats = dim * (1 + Rule::kNumSlots);
  for (std::size_t i = 0; i < ids.size(); ++i, gradients += dim) {
    if (i + kPrefetchRows < ids.size()) {
      __builtin_prefetch(records + ids[i + kPrefetchRows] * record_floats, 1);
    }
    UpdateOneRow(rule, dim, records + ids[i] * record_floats, gradients);
  }
}

}  // namespace

std::span<const std::string_view> SlotNames(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::kSgd:
      return {};
    case OptimizerKind::kAdagrad:
      return kAdagradSlots;
    case OptimizerKind::kFtrl:
      return kFtrlSlots;
  }
  DIME_CHECK(false);
}

float InitialSlotValue(const OptimizerSpec& spec, int slot) {
  DIME_CHECK(slot >= 0 && slot < NumSlots(spec.kind));
  return slot == 0 ? spec.initial_accumulator : 0.0f;
}

void UpdateRow(const OptimizerSpec& spec, std::int64_t dim, float* row, const float* gradient) {
  WithRule(spec, [&](const auto& rule) { UpdateOneRow(rule, dim, row, gradient); });
}

void UpdateRows(const OptimizerSpec& spec, std::int64_t dim, float* records,
                std::span<const std::int64_t> ids, const float* gradients) {
  WithRule(spec, [&](const auto& rule) {
    if (dim == 1) {
      UpdateRowsWith<1>(rule, dim, records, ids, gradients);
    } else {
      UpdateRowsWith<0>(rule, dim, records, ids, gradients);
    }
  });
}

}  // namespace dime::ops
