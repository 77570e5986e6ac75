// models/internal/variables.h - a model's variables, and which id columns use their rows.
//
// The parts of a model add theirs in TensorFlow's order of creation.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "models/batch.h"
#include "models/description.h"
#include "models/record_encoder.h"
#include "ops/sparse.h"
#include "ops/table.h"

namespace dime::models::internal {

// An optimizer, with the names that checkpoints give to what it keeps (see ops::TableSpec).
struct NamedOptimizer {
  ops::OptimizerSpec spec;
  std::string slot_prefix;
  std::array<std::string, 2> beta_power_names;
};
// Those of an estimator's parts, as TensorFlow names them.
[[nodiscard]] NamedOptimizer DnnOptimizer(const Estimator& estimator);
[[nodiscard]] NamedOptimizer LinearOptimizer(const Estimator& estimator);

class Variables {
 public:
  // Adds a variable that every step reads and updates whole. Returns its table.
  int AddDense(const std::string& name, const std::vector<std::int64_t>& shape,
               const ops::Initializer& initializer, const NamedOptimizer& optimizer);
  // Adds a variable with a row of `dim` floats for each id of column `id_column` of `schema`,
  // unless another column has added it. Returns the column's place in Lookups::uses.
  int AddRows(const std::string& name, const Schema& schema, int id_column, std::int64_t dim,
              const ops::Initializer& initializer, const NamedOptimizer& optimizer);

  [[nodiscard]] const std::vector<ops::TableSpec>& tables() const { return tables_; }

  void MakeLookups(const Batch& batch, ops::Deduplicator* deduplicator,
                   ops::Lookups* lookups) const;

 private:
  struct Use {
    std::size_t column;  // Of Batch::ids.
    int table;
  };

  std::vector<ops::TableSpec> tables_;
  std::vector<Use> uses_;                   // Parallel to Lookups::uses.
  std::vector<std::size_t> uses_by_table_;  // Positions in uses_.
};

}  // namespace dime::models::internal
