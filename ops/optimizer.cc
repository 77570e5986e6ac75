#include "ops/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <type_traits>
#include <vector>

#include "ops/cpu/kernels.h"
#include "runtime/base/check.h"

namespace dime::ops {
namespace {

constexpr std::array<std::string_view, 1> kMomentumSlots = {"Momentum"};
constexpr std::array<std::string_view, 1> kAdagradSlots = {"Adagrad"};
constexpr std::array<std::string_view, 2> kAdamSlots = {"Adam", "Adam_1"};
constexpr std::array<std::string_view, 2> kFtrlSlots = {"Ftrl", "Ftrl_1"};
constexpr std::array<std::string_view, 1> kProximalAdagradSlots = {"ProximalAdagrad"};
constexpr std::array<std::string_view, 2> kRmsPropSlots = {"RMSProp", "RMSProp_1"};

// How far ahead of its use a row is fetched into the cache: about one memory latency of updates.
constexpr std::size_t kPrefetchRows = 16;

// A rule updates one weight and its slots. Rules are branch-free, so that the compiler can update
// several at once.

class SgdRule {
 public:
  static constexpr int kNumSlots = 0;

  SgdRule(const OptimizerSpec& spec, std::int64_t step)
      : learning_rate_(LearningRateAt(spec, step)) {}

  void Update(float gradient, float& weight) const { weight -= learning_rate_ * gradient; }

 private:
  float learning_rate_;
};

template <bool kNesterov>
class MomentumRule {
 public:
  static constexpr int kNumSlots = 1;

  MomentumRule(const OptimizerSpec& spec, std::int64_t step)
      : learning_rate_(LearningRateAt(spec, step)), momentum_(spec.momentum) {}

  void Update(float gradient, float& weight, float& accumulator) const {
    accumulator = accumulator * momentum_ + gradient;
    const float ahead = kNesterov ? gradient + accumulator * momentum_ : accumulator;
    weight -= learning_rate_ * ahead;
  }

 private:
  float learning_rate_;
  float momentum_;
};

class AdagradRule {
 public:
  static constexpr int kNumSlots = 1;

  AdagradRule(const OptimizerSpec& spec, std::int64_t step)
      : learning_rate_(LearningRateAt(spec, step)) {}

  [[nodiscard]] float learning_rate() const { return learning_rate_; }

  void Update(float gradient, float& weight, float& accumulator) const {
    accumulator += gradient * gradient;
    weight -= learning_rate_ * gradient / std::sqrt(accumulator);
  }

 private:
  float learning_rate_;
};

class AdamRule {
 public:
  static constexpr int kNumSlots = 2;

  AdamRule(const OptimizerSpec& spec, std::int64_t step)
      : beta1_(spec.beta1), beta2_(spec.beta2), epsilon_(spec.epsilon) {
    // The means start at 0: the rate makes up for what they lack at first. In double precision, as
    // the differences from 1 are small (TensorFlow loses five digits here).
    const auto t = static_cast<double>(step);
    step_size_ = static_cast<float>(LearningRateAt(spec, step) *
                                    std::sqrt(1.0 - std::pow(double{spec.beta2}, t)) /
                                    (1.0 - std::pow(double{spec.beta1}, t)));
  }

  void Update(float gradient, float& weight, float& mean, float& mean_square) const {
    mean += (gradient - mean) * (1.0f - beta1_);
    mean_square += (gradient * gradient - mean_square) * (1.0f - beta2_);
    weight -= step_size_ * mean / (std::sqrt(mean_square) + epsilon_);
  }

 private:
  float step_size_;
  float beta1_;
  float beta2_;
  float epsilon_;
};

class RmsPropRule {
 public:
  static constexpr int kNumSlots = 2;

  RmsPropRule(const OptimizerSpec& spec, std::int64_t step)
      : learning_rate_(LearningRateAt(spec, step)),
        rho_(spec.rho),
        momentum_(spec.momentum),
        epsilon_(spec.epsilon) {}

  void Update(float gradient, float& weight, float& mean_square, float& accumulator) const {
    mean_square += (gradient * gradient - mean_square) * (1.0f - rho_);
    accumulator =
        accumulator * momentum_ + learning_rate_ * gradient / std::sqrt(mean_square + epsilon_);
    weight -= accumulator;
  }

 private:
  float learning_rate_;
  float rho_;
  float momentum_;
  float epsilon_;
};

// `weight` after a step, drawn towards 0 by l1 and l2 at this rate.
float Shrunk(float weight, float rate, float l1, float l2) {
  const float size = std::max(std::fabs(weight) - rate * l1, 0.0f);
  return std::copysign(size, weight) / (1.0f + rate * l2);
}

class ProximalSgdRule {
 public:
  static constexpr int kNumSlots = 0;

  ProximalSgdRule(const OptimizerSpec& spec, std::int64_t step)
      : learning_rate_(LearningRateAt(spec, step)), l1_(spec.l1), l2_(spec.l2) {}

  void Update(float gradient, float& weight) const {
    weight = Shrunk(weight - learning_rate_ * gradient, learning_rate_, l1_, l2_);
  }

 private:
  float learning_rate_;
  float l1_;
  float l2_;
};

class ProximalAdagradRule {
 public:
  static constexpr int kNumSlots = 1;

  ProximalAdagradRule(const OptimizerSpec& spec, std::int64_t step)
      : learning_rate_(LearningRateAt(spec, step)), l1_(spec.l1), l2_(spec.l2) {}

  void Update(float gradient, float& weight, float& accumulator) const {
    accumulator += gradient * gradient;
    const float rate = learning_rate_ / std::sqrt(accumulator);
    weight = Shrunk(weight - rate * gradient, rate, l1_, l2_);
  }

 private:
  float learning_rate_;
  float l1_;
  float l2_;
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

  FtrlRule(const OptimizerSpec& spec, std::int64_t step)
      : power_(spec),
        learning_rate_(LearningRateAt(spec, step)),
        l1_(spec.l1),
        twice_l2_(2.0f * spec.l2),
        twice_shrinkage_(2.0f * spec.l2_shrinkage) {}

  [[nodiscard]] float learning_rate() const { return learning_rate_; }
  [[nodiscard]] float l1() const { return l1_; }
  [[nodiscard]] float l2() const { return 0.5f * twice_l2_; }
  [[nodiscard]] bool shrinks() const { return twice_shrinkage_ > 0; }

  void Update(float gradient, float& weight, float& accumulator, float& linear) const {
    const float new_accumulator = accumulator + gradient * gradient;
    const float new_power = power_(new_accumulator);
    const float sigma = (new_power - power_(accumulator)) / learning_rate_;
    linear += gradient + twice_shrinkage_ * weight - sigma * weight;
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
  float twice_shrinkage_;
};

template <typename Function>
void WithRule(const OptimizerSpec& spec, std::int64_t step, Function&& function) {
  switch (spec.kind) {
    case OptimizerKind::kSgd:
      return function(SgdRule(spec, step));
    case OptimizerKind::kMomentum:
      return spec.nesterov ? function(MomentumRule<true>(spec, step))
                           : function(MomentumRule<false>(spec, step));
    case OptimizerKind::kAdagrad:
      return function(AdagradRule(spec, step));
    case OptimizerKind::kAdam:
      return function(AdamRule(spec, step));
    case OptimizerKind::kFtrl:
      return spec.learning_rate_power == -0.5f ? function(FtrlRule<SquareRoot>(spec, step))
                                               : function(FtrlRule<Power>(spec, step));
    case OptimizerKind::kRmsProp:
      return function(RmsPropRule(spec, step));
    case OptimizerKind::kProximalSgd:
      return function(ProximalSgdRule(spec, step));
    case OptimizerKind::kProximalAdagrad:
      return function(ProximalAdagradRule(spec, step));
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
    if (dim >= kLongRow && !rule.shrinks()) {
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

// Every row in turn, with zeros for those that have no gradient.
template <typename Rule>
void UpdateAllRowsWith(const Rule& rule, std::int64_t dim, std::int64_t num_rows, float* records,
                       std::span<const std::int64_t> ids, const float* gradients) {
  std::vector<std::size_t> by_id(ids.size());
  std::iota(by_id.begin(), by_id.end(), std::size_t{0});
  std::ranges::sort(by_id, {}, [ids](std::size_t i) { return ids[i]; });
  const std::vector<float> zeros(static_cast<std::size_t>(dim), 0.0f);
  auto next = by_id.begin();
  for (std::int64_t row = 0; row < num_rows; ++row, records += dim * (1 + Rule::kNumSlots)) {
    const bool has_gradient = next != by_id.end() && ids[*next] == row;
    UpdateOneRow(
        rule, dim, records,
        has_gradient ? gradients + static_cast<std::int64_t>(*next++) * dim : zeros.data());
  }
}

}  // namespace

std::span<const std::string_view> SlotNames(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::kSgd:
    case OptimizerKind::kProximalSgd:
      return {};
    case OptimizerKind::kProximalAdagrad:
      return kProximalAdagradSlots;
    case OptimizerKind::kMomentum:
      return kMomentumSlots;
    case OptimizerKind::kAdagrad:
      return kAdagradSlots;
    case OptimizerKind::kAdam:
      return kAdamSlots;
    case OptimizerKind::kFtrl:
      return kFtrlSlots;
    case OptimizerKind::kRmsProp:
      return kRmsPropSlots;
  }
  DIME_CHECK(false);
}

float InitialSlotValue(const OptimizerSpec& spec, int slot) {
  DIME_CHECK(slot >= 0 && slot < NumSlots(spec.kind));
  if (slot > 0) return 0.0f;
  switch (spec.kind) {
    case OptimizerKind::kAdagrad:
    case OptimizerKind::kProximalAdagrad:
    case OptimizerKind::kFtrl:
      return spec.initial_accumulator;
    case OptimizerKind::kRmsProp:
      return 1.0f;
    case OptimizerKind::kSgd:
    case OptimizerKind::kProximalSgd:
    case OptimizerKind::kMomentum:
    case OptimizerKind::kAdam:
      return 0.0f;
  }
  DIME_CHECK(false);
}

float LearningRateAt(const OptimizerSpec& spec, std::int64_t step) {
  const LearningRateDecay& decay = spec.decay;
  if (decay.kind == DecayKind::kNone) return spec.learning_rate;
  const double rate = spec.learning_rate;
  double t = static_cast<double>(step - 1) / static_cast<double>(decay.decay_steps);
  if (decay.staircase) t = std::floor(t);
  const double until_end = std::min(t, 1.0);
  double now = rate;
  switch (decay.kind) {
    case DecayKind::kNone:
      break;
    case DecayKind::kExponential:
      now = rate * std::pow(static_cast<double>(decay.decay_rate), t);
      break;
    case DecayKind::kInverseTime:
      now = rate / (1.0 + decay.decay_rate * t);
      break;
    case DecayKind::kPolynomial:
      now = decay.end_rate + (rate - decay.end_rate) * std::pow(1.0 - until_end, decay.power);
      break;
    case DecayKind::kCosine:
      now = rate * ((1.0 - decay.alpha) * 0.5 * (1.0 + std::cos(std::numbers::pi * until_end)) +
                    decay.alpha);
      break;
  }
  return static_cast<float>(now);
}

void UpdateRow(const OptimizerSpec& spec, std::int64_t step, std::int64_t dim, float* row,
               const float* gradient) {
  WithRule(spec, step, [&](const auto& rule) { UpdateOneRow(rule, dim, row, gradient); });
}

void UpdateRows(const OptimizerSpec& spec, std::int64_t step, std::int64_t dim,
                std::int64_t num_rows, float* records, std::span<const std::int64_t> ids,
                const float* gradients) {
  WithRule(spec, step, [&](const auto& rule) {
    if (MovesAllRows(spec.kind)) {
      UpdateAllRowsWith(rule, dim, num_rows, records, ids, gradients);
    } else if (dim == 1) {
      UpdateRowsWith<1>(rule, dim, records, ids, gradients);
    } else {
      UpdateRowsWith<0>(rule, dim, records, ids, gradients);
    }
  });
}

void UpdateRowsAt(const OptimizerSpec& spec, std::int64_t step, std::int64_t dim,
                  std::span<float* const> records, const float* gradients) {
  DIME_CHECK(!MovesAllRows(spec.kind));
  WithRule(spec, step, [&](const auto& rule) {
    for (float* const record : records) {
      if (record != nullptr) UpdateOneRow(rule, dim, record, gradients);
      gradients += dim;
    }
  });
}

}  // namespace dime::ops
