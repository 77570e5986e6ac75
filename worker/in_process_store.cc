#include "worker/in_process_store.h"

#include <span>
#include <utility>

#include "runtime/base/check.h"

namespace dime::worker {
namespace {

// Whether all weights of the table lie one after another, with no slots in between.
bool WeightsAreContiguous(const ps::Table& table) {
  return table.spec().num_rows == 1 || table.record_floats() == table.spec().dim;
}

std::span<const float> ViewAllWeights(const ps::Table& table) {
  const auto& spec = table.spec();
  if (spec.num_rows == 0) return {};
  return {table.weights(0).data(), static_cast<std::size_t>(spec.num_rows * spec.dim)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<InProcessStore>> InProcessStore::Create(
    const std::vector<ops::TableSpec>& specs, std::uint64_t seed) {
  auto store = std::make_unique<InProcessStore>();
  for (const ops::TableSpec& spec : specs) {
    DIME_ASSIGN_OR_RETURN(auto table, ps::Table::Create(spec, seed));
    store->tables_.push_back(std::move(table));
  }
  store->gathered_.resize(specs.size());
  return store;
}

absl::StatusOr<ops::Rows> InProcessStore::Exchange(const Push* push, const ops::Lookups* next) {
  if (push != nullptr) Apply(*push);
  ops::Rows rows;
  if (next == nullptr) return rows;
  DIME_CHECK(next->tables.size() == tables_.size());
  rows.tables.reserve(tables_.size());
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    rows.tables.push_back(Pull(t, next->tables[t]));
  }
  return rows;
}

void InProcessStore::Apply(const Push& push) {
  DIME_CHECK(push.lookups->tables.size() == tables_.size());
  DIME_CHECK(push.gradients->tables.size() == tables_.size());
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    ps::Table& table = *tables_[t];
    const std::vector<float>& gradients = push.gradients->tables[t];
    if (table.spec().dense) {
      table.UpdateAll(push.step, gradients);
    } else {
      table.Update(push.step, push.lookups->tables[t].ids, gradients);
    }
  }
}

std::span<const float> InProcessStore::Pull(std::size_t t, const ops::TableLookup& lookup) {
  const ps::Table& table = *tables_[t];
  const ops::TableSpec& spec = table.spec();
  if (spec.dense && WeightsAreContiguous(table)) return ViewAllWeights(table);
  std::vector<float>& values = gathered_[t];
  if (spec.dense) {
    values.resize(static_cast<std::size_t>(spec.num_rows * spec.dim));
    table.CopyOut(0, 0, spec.num_rows, values.data());
  } else {
    values.resize(lookup.ids.size() * static_cast<std::size_t>(spec.dim));
    table.Gather(lookup.ids, values);
  }
  return values;
}

std::vector<const ps::Table*> InProcessStore::tables() const {
  std::vector<const ps::Table*> tables;
  for (const auto& table : tables_) tables.push_back(table.get());
  return tables;
}

std::vector<ps::Table*> InProcessStore::mutable_tables() {
  std::vector<ps::Table*> tables;
  for (const auto& table : tables_) tables.push_back(table.get());
  return tables;
}

}  // namespace dime::worker
