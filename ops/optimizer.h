// ops/optimizer.h - the optimizers: their settings, their slots and their update of one row.
//
// A row is one record of floats: dim weights, then each slot's dim values. Formulas: TensorFlow's
// training_ops (FTRL: McMahan et al., "Ad click prediction", KDD 2013; Adagrad: Duchi et al., JMLR
// 2011).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dime::ops {

enum class OptimizerKind { kSgd, kAdagrad, kFtrl };

struct OptimizerSpec {
  OptimizerKind kind = OptimizerKind::kSgd;
  float learning_rate = 0.05f;
  float initial_accumulator = 0.1f;   // Adagrad, FTRL: the first slot's start.
  float learning_rate_power = -0.5f;  // FTRL.
  float l1 = 0;                       // FTRL.
  float l2 = 0;                       // FTRL: enters with a factor of 2, as in TensorFlow.

  friend bool operator==(const OptimizerSpec&, const OptimizerSpec&) = default;
};

// What TensorFlow appends to a variable's name for each slot, in record order: {"Adagrad"},
// {"Ftrl", "Ftrl_1"}.
[[nodiscard]] std::span<const std::string_view> SlotNames(OptimizerKind kind);
[[nodiscard]] inline int NumSlots(OptimizerKind kind) {
  return static_cast<int>(SlotNames(kind).size());
}
// A slot's value before the first update.
[[nodiscard]] float InitialSlotValue(const OptimizerSpec& spec, int slot);

// Updates the record at `row` (dim * (1 + slots) floats) with `gradient` (dim floats).
void UpdateRow(const OptimizerSpec& spec, std::int64_t dim, float* row, const float* gradient);

// Updates rows `ids` (distinct) of a table whose records lie one after another at `records`, with
// gradients ids.size() x dim. Equal to UpdateRow() for each id.
void UpdateRows(const OptimizerSpec& spec, std::int64_t dim, float* records,
                std::span<const std::int64_t> ids, const float* gradients);

}  // namespace dime::ops
