#include "models/internal/variables.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <optional>

namespace dime::models::internal {

NamedOptimizer DnnOptimizer(const Estimator& estimator) {
  if (!HasLinearPart(estimator.kind)) {
    return {.spec = estimator.dnn_optimizer,
            .slot_prefix = "t_0/",
            .beta_power_names = {"dnn/head/beta1_power", "dnn/head/beta2_power"}};
  }
  return {.spec = estimator.dnn_optimizer,
          .slot_prefix = "",
          .beta_power_names = {"head/beta1_power", "head/beta2_power"}};
}

NamedOptimizer LinearOptimizer(const Estimator& estimator) {
  if (!HasDnnPart(estimator.kind)) {
    return {.spec = estimator.linear_optimizer,
            .slot_prefix = "part_0/",
            .beta_power_names = {"linear/head/beta1_power", "linear/head/beta2_power"}};
  }
  // The combined estimator makes the deep part's variables first: a second Adam gets the suffix.
  const bool is_second = estimator.dnn_optimizer.kind == ops::OptimizerKind::kAdam;
  const std::string suffix = is_second ? "_1" : "";
  return {.spec = estimator.linear_optimizer,
          .slot_prefix = "",
          .beta_power_names = {"head/beta1_power" + suffix, "head/beta2_power" + suffix}};
}

int Variables::AddDense(const std::string& name, const std::vector<std::int64_t>& shape,
                        const ops::Initializer& initializer, const NamedOptimizer& optimizer) {
  const std::int64_t size =
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  tables_.push_back({.name = name,
                     .shape = shape,
                     .num_rows = 1,
                     .dim = size,
                     .dense = true,
                     .initializer = initializer,
                     .optimizer = optimizer.spec,
                     .slot_prefix = optimizer.slot_prefix,
                     .beta_power_names = optimizer.beta_power_names});
  return static_cast<int>(tables_.size()) - 1;
}

int Variables::AddRows(const std::string& name, const Schema& schema, int id_column,
                       std::int64_t dim, const ops::Initializer& initializer,
                       const NamedOptimizer& optimizer) {
  const auto column = static_cast<std::size_t>(id_column);
  const std::optional<ops::UnboundedRows>& unbounded = schema.id_columns[column].unbounded;
  const std::int64_t num_rows = unbounded ? 0 : schema.id_columns[column].num_ids;
  const auto known = std::ranges::find(tables_, name, &ops::TableSpec::name);
  const auto table = static_cast<int>(known - tables_.begin());
  if (known == tables_.end()) {
    tables_.push_back({.name = name,
                       .shape = {num_rows, dim},
                       .num_rows = num_rows,
                       .dim = dim,
                       .dense = false,
                       // What serving can know of an id without a row, too.
                       .initializer = unbounded ? ops::Initializer{} : initializer,
                       .optimizer = optimizer.spec,
                       .slot_prefix = optimizer.slot_prefix,
                       .beta_power_names = optimizer.beta_power_names,
                       .unbounded = unbounded});
  }
  const std::size_t use = uses_.size();
  uses_.push_back({column, table});
  const auto next_table = std::ranges::upper_bound(
      uses_by_table_, table, {}, [this](std::size_t u) { return uses_[u].table; });
  uses_by_table_.insert(next_table, use);
  return static_cast<int>(use);
}

void Variables::MakeLookups(const Batch& batch, ops::Deduplicator* deduplicator,
                            ops::Lookups* lookups) const {
  lookups->tables.resize(tables_.size());
  lookups->uses.resize(uses_.size());
  int started_table = -1;
  for (const std::size_t u : uses_by_table_) {
    const auto& [column, table] = uses_[u];
    if (table != started_table) {
      const auto t = static_cast<std::size_t>(table);
      deduplicator->Start(tables_[t].num_ids(), &lookups->tables[t].ids);
      started_table = table;
    }
    const std::vector<std::int64_t>& ids = batch.ids[column].ids;
    ops::LookupUse& use = lookups->uses[u];
    use.table = table;
    use.offsets = batch.ids[column].offsets;
    use.weights = batch.ids[column].weights;
    use.positions.resize(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) use.positions[i] = deduplicator->Position(ids[i]);
  }
}

}  // namespace dime::models::internal
