// ops/table.h - the words that models and parameter stores share: tables, lookups, rows, gradients.
//
// A model names its variables as tables and asks for rows; a store keeps them. To both, tables, ids
// and rows are numbers: neither has to know the other. Dense variables are tables of few long rows,
// looked up whole at each step.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ops/optimizer.h"

namespace dime::ops {

enum class InitializerKind { kZeros, kUniform, kTruncatedNormal };

// kUniform: in [-scale, scale). kTruncatedNormal: mean 0, standard deviation `scale`, redrawn
// beyond two of them.
struct Initializer {
  InitializerKind kind = InitializerKind::kZeros;
  float scale = 0;

  friend bool operator==(const Initializer&, const Initializer&) = default;
};

// A table that has no row before there is a gradient for it, and keeps so many bytes at most. Ids
// are any numbers from 0. An id without a row reads its initial values.
struct UnboundedRows {
  static constexpr std::int64_t kNumIds = std::numeric_limits<std::int64_t>::max();

  std::int64_t admit_after = 1;        // The gradient from which on an id has a row.
  std::int64_t evict_after_steps = 0;  // Steps without a gradient after which it has none; 0: any.
  std::int64_t max_bytes = 0;

  friend bool operator==(const UnboundedRows&, const UnboundedRows&) = default;
};

struct TableSpec {
  std::string name;                 // The variable's name in checkpoints.
  std::vector<std::int64_t> shape;  // The variable's shape in checkpoints: num_rows * dim elements.
  std::int64_t num_rows = 0;
  std::int64_t dim = 0;  // Floats a row, without slots.
  bool dense = false;    // Every step reads and updates every row.
  Initializer initializer = {};
  OptimizerSpec optimizer = {};
  // How checkpoints name what the optimizer keeps. A slot is NAME/PREFIX + SLOT.
  std::string slot_prefix = {};
  // Adam's beta1^(step + 1) and beta2^(step + 1), which its tables share.
  std::array<std::string, 2> beta_power_names = {};
  std::optional<UnboundedRows> unbounded = {};  // Then num_rows is 0 and the shape [0, dim].

  // Ids are below it.
  [[nodiscard]] std::int64_t num_ids() const {
    return unbounded ? UnboundedRows::kNumIds : num_rows;
  }
};

// Which rows a batch needs of one table: distinct ids, in order of first use. Dense tables: empty,
// meaning all.
struct TableLookup {
  std::vector<std::int64_t> ids;
};

// Where the values of one id column lie among the looked-up rows of its table.
struct LookupUse {
  int table = 0;
  std::vector<std::int32_t>
      positions;  // A value's index into the table's `ids`; -1: no valid id there.
  std::vector<std::int32_t>
      offsets;  // Example e has positions [offsets[e], offsets[e+1]). Empty: one an example.
  std::vector<float> weights;  // Parallel to positions: how much each counts. Empty: 1.
};

struct Lookups {
  std::vector<TableLookup> tables;  // Parallel to the model's table specs.
  std::vector<LookupUse> uses;      // Parallel to the model's sparse inputs.
};

// The values of the rows that were looked up: tables[t] is ids.size() x dim, row-major; a dense
// table's is the whole variable. Views that stay valid, and unchanged, until the next exchange with
// the store they came from.
struct Rows {
  std::vector<std::span<const float>> tables;
};

// One gradient for each row that was looked up, duplicates already summed: the same shape as Rows.
struct Gradients {
  std::vector<std::vector<float>> tables;
};

}  // namespace dime::ops
