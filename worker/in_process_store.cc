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
    const std::vector<ops::TableSpec>& specs, std::uint64_t seed,
    const ps::ConsistencyOptions& options) {
  auto store = std::make_unique<InProcessStore>();
  // One server has every row, under its own number.
  const ps::Sharding sharding(specs, /*num_servers=*/1);
  DIME_ASSIGN_OR_RETURN(store->shards_,
                        ps::Shards::Create(specs, sharding, /*server=*/0, seed, options));
  store->rows_ =
      std::make_unique<ps::LocalRows>(store->mutable_tables(), store->shards_->all_unbounded());
  store->checkpointer_ = std::make_unique<ps::LocalCheckpointer>(
      store->mutable_tables(), [shards = store->shards_.get()] { return shards->version(); },
      [shards = store->shards_.get()](std::int64_t version) { shards->set_version(version); },
      store->shards_->all_unbounded());
  store->gradients_.resize(specs.size());
  store->gathered_.resize(specs.size());
  return store;
}

absl::StatusOr<ops::Rows> InProcessStore::Exchange(const Push* push, const Pull& pull) {
  if (push != nullptr) DIME_RETURN_IF_ERROR(Apply(*push));
  meter().Lap(StepPhase::kPushWait);
  ops::Rows rows;
  if (pull.lookups == nullptr) return rows;
  DIME_CHECK(pull.lookups->tables.size() == gathered_.size());
  rows.tables.reserve(gathered_.size());
  for (std::size_t t = 0; t < gathered_.size(); ++t) {
    rows.tables.push_back(Values(t, pull.lookups->tables[t]));
  }
  return rows;
}

absl::Status InProcessStore::Apply(const Push& push) {
  DIME_CHECK(push.lookups->tables.size() == gradients_.size());
  DIME_CHECK(push.gradients->tables.size() == gradients_.size());
  for (std::size_t t = 0; t < gradients_.size(); ++t) {
    gradients_[t] = {push.lookups->tables[t].ids, push.gradients->tables[t]};
  }
  return shards_->Push({.replica = 0,
                        .step = push.step,
                        .micro_batch = push.micro_batch,
                        .pulled_version = shards_->version(),
                        .tables = gradients_});
}

std::span<const float> InProcessStore::Values(std::size_t t, const ops::TableLookup& lookup) {
  const ps::Table& table = *shards_->tables()[t];
  const ops::TableSpec& spec = table.spec();
  if (spec.dense && WeightsAreContiguous(table)) return ViewAllWeights(table);
  std::vector<float>& values = gathered_[t];
  if (spec.dense) {
    values.resize(static_cast<std::size_t>(spec.num_rows * spec.dim));
    table.CopyOut(0, 0, spec.num_rows, values.data());
  } else {
    values.resize(lookup.ids.size() * static_cast<std::size_t>(spec.dim));
    shards_->rows(t).Gather(lookup.ids, values);
  }
  return values;
}

std::vector<const ps::Table*> InProcessStore::tables() const {
  std::vector<const ps::Table*> tables;
  for (const auto& table : shards_->tables()) tables.push_back(table.get());
  return tables;
}

std::vector<ps::Table*> InProcessStore::mutable_tables() {
  std::vector<ps::Table*> tables;
  for (const auto& table : shards_->tables()) tables.push_back(table.get());
  return tables;
}

}  // namespace dime::worker
