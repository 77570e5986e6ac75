// ops/optimizer.h - the optimizers: their settings, their slots and their update of one row.
//
// A row is one record of floats: dim weights, then each slot's dim values. Formulas: TensorFlow's
// training_ops and its v1 optimizers (FTRL: McMahan et al., "Ad click prediction", KDD 2013;
// Adagrad: Duchi et al., JMLR 2011; Adam: Kingma and Ba, ICLR 2015; RMSProp: Tieleman and Hinton,
// 2012; proximal steps: Duchi and Singer, JMLR 2009).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dime::ops {

// The proximal ones shrink weights towards 0 after each update: TensorFlow's way to have L1 and L2
// penalties on a network.
enum class OptimizerKind {
  kSgd,
  kMomentum,
  kAdagrad,
  kAdam,
  kFtrl,
  kRmsProp,
  kProximalSgd,
  kProximalAdagrad,
};

enum class DecayKind { kNone, kExponential, kInverseTime, kPolynomial, kCosine };

// How the learning rate falls with the steps: TensorFlow's train.exponential_decay and the like.
// With t = steps before this one / decay_steps (whole numbers only, if `staircase`):
//   kExponential: rate * decay_rate^t            kInverseTime: rate / (1 + decay_rate * t)
//   kPolynomial:  end + (rate - end) * (1 - t)^power, t at most 1
//   kCosine:      rate * ((1 - alpha) * (1 + cos(pi t)) / 2 + alpha), t at most 1
struct LearningRateDecay {
  DecayKind kind = DecayKind::kNone;
  std::int64_t decay_steps = 1;
  float decay_rate = 1;      // kExponential, kInverseTime.
  bool staircase = false;    // kExponential, kInverseTime.
  float end_rate = 0.0001f;  // kPolynomial.
  float power = 1;           // kPolynomial.
  float alpha = 0;           // kCosine.

  friend bool operator==(const LearningRateDecay&, const LearningRateDecay&) = default;
};

struct OptimizerSpec {
  OptimizerKind kind = OptimizerKind::kSgd;
  float learning_rate = 0.05f;
  LearningRateDecay decay = {};
  float initial_accumulator = 0.1f;   // Both Adagrads, FTRL: the first slot's start.
  float learning_rate_power = -0.5f;  // FTRL.
  float l1 = 0;                       // FTRL, proximal.
  float l2 = 0;                       // FTRL (with a factor of 2, as in TensorFlow), proximal.
  float l2_shrinkage = 0;  // FTRL: 2 * l2_shrinkage * weight is added to the gradient, but not to
                           // the accumulator.
  float momentum = 0;      // Momentum, RMSProp.
  bool nesterov = false;   // Momentum.
  float beta1 = 0.9f;      // Adam.
  float beta2 = 0.999f;    // Adam.
  float rho = 0.9f;        // RMSProp: how slowly the mean of squares forgets.
  float epsilon = 1e-8f;   // Adam; RMSProp, there within the square root.

  friend bool operator==(const OptimizerSpec&, const OptimizerSpec&) = default;
};

// What TensorFlow appends to a variable's name for each slot, in record order: {"Adagrad"},
// {"Ftrl", "Ftrl_1"}. Adam's are the means of gradients and of squares, RMSProp's the mean of
// squares and the momentum.
[[nodiscard]] std::span<const std::string_view> SlotNames(OptimizerKind kind);
[[nodiscard]] inline int NumSlots(OptimizerKind kind) {
  return static_cast<int>(SlotNames(kind).size());
}
// A slot's value before the first update.
[[nodiscard]] float InitialSlotValue(const OptimizerSpec& spec, int slot);

// Whether a step changes also the rows that have no gradient: Adam's means go on, as in TensorFlow.
[[nodiscard]] constexpr bool MovesAllRows(OptimizerKind kind) {
  return kind == OptimizerKind::kAdam;
}

// In what follows, `step` is the number of the update, the first one being 1.

[[nodiscard]] float LearningRateAt(const OptimizerSpec& spec, std::int64_t step);

// Updates the record at `row` (dim * (1 + slots) floats) with `gradient` (dim floats).
void UpdateRow(const OptimizerSpec& spec, std::int64_t step, std::int64_t dim, float* row,
               const float* gradient);

// Updates rows `ids` (distinct) of a table whose `num_rows` records lie one after another at
// `records`, with gradients ids.size() x dim. Equal to UpdateRow() for each id, and, where
// MovesAllRows(), with a gradient of zeros for all others.
void UpdateRows(const OptimizerSpec& spec, std::int64_t step, std::int64_t dim,
                std::int64_t num_rows, float* records, std::span<const std::int64_t> ids,
                const float* gradients);

// The same for records that lie anywhere: records[i] takes the i-th gradient; null, none does. Not
// for optimizers that move all rows.
void UpdateRowsAt(const OptimizerSpec& spec, std::int64_t step, std::int64_t dim,
                  std::span<float* const> records, const float* gradients);

}  // namespace dime::ops
