#include "ps/shards.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "ops/dense.h"
#include "runtime/base/check.h"

namespace dime::ps {
namespace {

using Kind = cluster::Consistency::Kind;

constexpr std::size_t kStalenessCounts = 65;
constexpr std::int64_t kLeft = std::numeric_limits<std::int64_t>::max() / 2;  // A clock's.

}  // namespace

Shards::Shards(const ConsistencyOptions& options)
    : options_(options),
      clocks_(static_cast<std::size_t>(options.num_replicas), 0),
      staleness_(kStalenessCounts, 0),
      early_(static_cast<std::size_t>(options.micro_batches)) {}

absl::StatusOr<std::unique_ptr<Shards>> Shards::Create(std::span<const ops::TableSpec> specs,
                                                       const Sharding& sharding, int server,
                                                       std::uint64_t seed,
                                                       const ConsistencyOptions& options) {
  DIME_CHECK(options.num_replicas > 0 && options.micro_batches > 0);
  std::unique_ptr<Shards> shards(new Shards(options));
  for (std::size_t t = 0; t < specs.size(); ++t) {
    DIME_ASSIGN_OR_RETURN(auto table,
                          Table::CreatePart(specs[t], sharding.BlocksOf(server, t), seed));
    shards->tables_.push_back(std::move(table));
    shards->unbounded_.emplace_back();
    if (!specs[t].unbounded) continue;
    DIME_ASSIGN_OR_RETURN(
        shards->unbounded_.back(),
        UnboundedTable::Create(specs[t], sharding.VirtualShardsOf(server, t), seed));
  }
  shards->sums_.resize(specs.size());
  if (options.keep_previous) shards->previous_.resize(specs.size());
  return shards;
}

void Shards::set_version(std::int64_t version) {
  version_ = version;
  for (const auto& table : unbounded_) {
    if (table != nullptr) table->set_step(version);
  }
}

absl::Status Shards::Push(const PushedGradients& push) {
  DIME_CHECK(push.tables.size() == tables_.size());
  DIME_CHECK(push.replica >= 0 && push.replica < options_.num_replicas);
  if (options_.consistency.kind == Kind::kSync) {
    DIME_RETURN_IF_ERROR(PushInOrder(push));
  } else {
    Update(push.tables);
  }
  ++clocks_[static_cast<std::size_t>(push.replica)];
  CountStaleness(push.pulled_version);
  return absl::OkStatus();
}

absl::Status Shards::PushInOrder(const PushedGradients& push) {
  if (push.step != version_ + 1 || push.micro_batch < num_summed_ ||
      push.micro_batch >= options_.micro_batches ||
      early_[static_cast<std::size_t>(push.micro_batch)].is_there) {
    return base::FailedPrecondition(
        "gradients of micro-batch {} of step {} came, but step {} is at its micro-batch {} of {}",
        push.micro_batch, push.step, version_ + 1, num_summed_, options_.micro_batches);
  }
  if (options_.micro_batches == 1) {
    Update(push.tables);
    return absl::OkStatus();
  }
  if (push.micro_batch > num_summed_) {
    Early& early = early_[static_cast<std::size_t>(push.micro_batch)];
    early.is_there = true;
    early.rows.resize(tables_.size());
    early.values.resize(tables_.size());
    for (std::size_t t = 0; t < tables_.size(); ++t) {
      early.rows[t].assign(push.tables[t].rows.begin(), push.tables[t].rows.end());
      early.values[t].assign(push.tables[t].values.begin(), push.tables[t].values.end());
    }
    return absl::OkStatus();
  }
  AddUp(push.tables);
  std::vector<TableGradients> gradients(tables_.size());
  while (num_summed_ < options_.micro_batches) {
    Early& early = early_[static_cast<std::size_t>(num_summed_)];
    if (!std::exchange(early.is_there, false)) return absl::OkStatus();
    for (std::size_t t = 0; t < tables_.size(); ++t) {
      gradients[t] = {early.rows[t], early.values[t]};
    }
    AddUp(gradients);
  }
  UpdateWithSums();
  return absl::OkStatus();
}

void Shards::Update(std::span<const TableGradients> tables) {
  if (!previous_.empty()) RememberRows(tables);
  ++version_;
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    Table& table = *tables_[t];
    if (unbounded_[t] != nullptr) {
      unbounded_[t]->Update(version_, tables[t].rows, tables[t].values);
      continue;
    }
    if (table.num_rows() == 0) continue;
    if (table.spec().dense) {
      table.UpdateAll(version_, tables[t].values);
    } else {
      table.Update(version_, tables[t].rows, tables[t].values);
    }
  }
}

void Shards::RememberRows(std::span<const TableGradients> tables) {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    if (!tables_[t]->spec().dense) {
      previous_[t].Remember(rows(t), tables[t].rows);
      continue;
    }
    std::vector<std::int64_t> all(static_cast<std::size_t>(tables_[t]->num_rows()));
    std::iota(all.begin(), all.end(), std::int64_t{0});
    previous_[t].Remember(*tables_[t], all);
  }
}

bool Shards::HasPush(std::int64_t step, int micro_batch) const {
  if (options_.consistency.kind != Kind::kSync || step > version_ + 1) return false;
  if (step <= version_ || micro_batch < num_summed_) return true;
  return micro_batch < options_.micro_batches &&
         early_[static_cast<std::size_t>(micro_batch)].is_there;
}

bool Shards::HasPreviousFor(std::int64_t step) const {
  return !previous_.empty() && step > 0 && step == version_;
}

void Shards::GatherPrevious(std::size_t table, std::span<const std::int64_t> ids,
                            std::span<float> out) {
  previous_[table].Gather(rows(table), ids, out);
}

void Shards::AddUp(std::span<const TableGradients> tables) {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    Sum& sum = sums_[t];
    if (num_summed_ == 0) {
      sum.values.clear();
      const Table& table = *tables_[t];
      const std::int64_t num_ids =
          table.spec().unbounded ? table.spec().num_ids() : table.num_rows();
      if (!table.spec().dense) sum.deduplicator.Start(num_ids, &sum.rows);
    }
    if (!tables_[t]->spec().dense) {
      AddRows(t, tables[t]);
    } else if (num_summed_ == 0) {
      sum.values.assign(tables[t].values.begin(), tables[t].values.end());
    } else {
      ops::AddTo(tables[t].values.data(), std::ssize(sum.values), sum.values.data());
    }
  }
  ++num_summed_;
}

void Shards::AddRows(std::size_t table, const TableGradients& gradients) {
  Sum& sum = sums_[table];
  const auto dim = static_cast<std::size_t>(tables_[table]->spec().dim);
  const float* from = gradients.values.data();
  for (const std::int64_t row : gradients.rows) {
    const auto at = static_cast<std::size_t>(sum.deduplicator.Position(row)) * dim;
    if (at == sum.values.size()) {  // The first gradient of this row.
      sum.values.insert(sum.values.end(), from, from + dim);
    } else {
      for (std::size_t i = 0; i < dim; ++i) sum.values[at + i] += from[i];
    }
    from += dim;
  }
}

void Shards::UpdateWithSums() {
  const float share = options_.average ? 1.0f / static_cast<float>(options_.micro_batches) : 1.0f;
  std::vector<TableGradients> gradients;
  for (Sum& sum : sums_) {
    if (options_.average) {
      for (float& value : sum.values) value *= share;
    }
    gradients.push_back({sum.rows, sum.values});
  }
  num_summed_ = 0;
  Update(gradients);
}

bool Shards::MayPull(int replica, std::int64_t step) const {
  if (step == 0) return true;
  switch (options_.consistency.kind) {
    case Kind::kAsync:
      return true;
    case Kind::kBounded:
      return clocks_[static_cast<std::size_t>(replica)] <=
                 *std::ranges::min_element(clocks_) + options_.consistency.max_lead ||
             clocks_[static_cast<std::size_t>(replica)] >= kLeft;
    case Kind::kSync:
      return version_ + 1 >= step;
  }
  DIME_CHECK(false);
}

std::vector<UnboundedTable*> Shards::all_unbounded() const {
  std::vector<UnboundedTable*> tables;
  for (const auto& table : unbounded_) tables.push_back(table.get());
  return tables;
}

UnboundedStatistics Shards::unbounded_statistics() const {
  UnboundedStatistics sum;
  for (const auto& table : unbounded_) {
    if (table == nullptr) continue;
    const UnboundedStatistics& its = table->statistics();
    sum.rows += its.rows;
    sum.admitted += its.admitted;
    sum.expired += its.expired;
    sum.displaced += its.displaced;
    sum.refused += its.refused;
    sum.dropped += its.dropped;
  }
  return sum;
}

void Shards::Leave(int replica) { clocks_[static_cast<std::size_t>(replica)] = kLeft; }

void Shards::Return(int replica) {
  clocks_[static_cast<std::size_t>(replica)] = kLeft;
  const std::int64_t slowest = *std::ranges::min_element(clocks_);
  clocks_[static_cast<std::size_t>(replica)] = slowest < kLeft ? slowest : 0;
}

void Shards::CountStaleness(std::int64_t pulled_version) {
  // In sync the rows of all micro-batches are those before the step, which counts when it is whole.
  const std::int64_t updates_between =
      options_.consistency.kind == Kind::kSync ? 0 : version_ - 1 - pulled_version;
  const auto at = static_cast<std::size_t>(std::max<std::int64_t>(updates_between, 0));
  ++staleness_[std::min(at, staleness_.size() - 1)];
}

}  // namespace dime::ps
