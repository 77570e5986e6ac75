#include "worker/all_reduce_store.h"

#include <algorithm>
#include <utility>

#include "ops/optimizer.h"
#include "runtime/base/check.h"

namespace dime::worker {
namespace {

constexpr std::int64_t kBroadcastFloats = 1 << 20;

std::vector<ops::TableSpec> WithoutRows(std::vector<ops::TableSpec> specs, bool dense) {
  for (ops::TableSpec& spec : specs) {
    if (spec.dense == dense) spec.num_rows = 0;
  }
  return specs;
}

std::int64_t SizeOf(const ops::TableSpec& spec) { return spec.num_rows * spec.dim; }

std::int64_t NumDenseFloats(std::span<const ops::TableSpec> specs) {
  std::int64_t size = 0;
  for (const ops::TableSpec& spec : specs) size += spec.dense ? SizeOf(spec) : 0;
  return size;
}

}  // namespace

std::vector<ops::TableSpec> WithoutDenseRows(std::vector<ops::TableSpec> specs) {
  return WithoutRows(std::move(specs), /*dense=*/true);
}

std::vector<ops::TableSpec> WithoutSparseRows(std::vector<ops::TableSpec> specs) {
  return WithoutRows(std::move(specs), /*dense=*/false);
}

absl::StatusOr<std::unique_ptr<AllReduceStore>> AllReduceStore::Create(
    const std::vector<ops::TableSpec>& specs, std::uint64_t seed,
    const ps::ConsistencyOptions& options, ParameterStore& sparse, Collective& collective) {
  if (!options.consistency.is_sync()) {
    return base::InvalidArgument("replicas that sum their dense gradients take steps in common");
  }
  if (options.micro_batches < collective.size()) {
    return base::InvalidArgument("{} micro-batches make a step, too few for {} training replicas",
                                 options.micro_batches, collective.size());
  }
  DIME_ASSIGN_OR_RETURN(auto dense, InProcessStore::Create(WithoutSparseRows(specs), seed));
  return std::unique_ptr<AllReduceStore>(
      new AllReduceStore(specs, std::move(dense), options, sparse, collective));
}

AllReduceStore::AllReduceStore(const std::vector<ops::TableSpec>& specs,
                               std::unique_ptr<InProcessStore> dense,
                               const ps::ConsistencyOptions& options, ParameterStore& sparse,
                               Collective& collective)
    : specs_(specs),
      no_ids_{.tables = std::vector<ops::TableLookup>(specs.size()), .uses = {}},
      dense_(std::move(dense)),
      tables_(dense_->mutable_tables()),
      sparse_(sparse),
      collective_(collective),
      sum_(collective, NumDenseFloats(specs), options.micro_batches, options.average) {}

absl::StatusOr<ops::Rows> AllReduceStore::Exchange(const Push* push, const Pull& pull) {
  // Sparse gradients go first: nobody waits for them here, but for this replica's there.
  DIME_ASSIGN_OR_RETURN(ops::Rows rows, sparse_.Exchange(push, pull));
  if (push != nullptr) DIME_RETURN_IF_ERROR(PushDense(*push));
  if (pull.lookups == nullptr) return rows;
  DIME_ASSIGN_OR_RETURN(const ops::Rows dense,
                        dense_->Exchange(nullptr, {.lookups = &no_ids_, .step = pull.step}));
  for (std::size_t t = 0; t < specs_.size(); ++t) {
    if (specs_[t].dense) rows.tables[t] = dense.tables[t];
  }
  return rows;
}

absl::Status AllReduceStore::PushDense(const Push& push) {
  if (push.step != version() + 1) {
    return base::FailedPrecondition("gradients of step {} came, but {} steps are done", push.step,
                                    version());
  }
  parts_.clear();
  for (std::size_t t = 0; t < specs_.size(); ++t) {
    if (specs_[t].dense) parts_.emplace_back(push.gradients->tables[t]);
  }
  sum_.Add(parts_);
  if (!sum_.is_complete()) return absl::OkStatus();
  absl::StatusOr<std::span<const float>> sums = sum_.Finish();
  if (!sums.ok()) {
    return base::Annotate(sums.status(), fmt::format("the gradients of step {}", push.step));
  }
  for (std::size_t t = 0; t < specs_.size(); ++t) {
    if (!specs_[t].dense || specs_[t].num_rows == 0) continue;
    const auto size = static_cast<std::size_t>(SizeOf(specs_[t]));
    tables_[t]->UpdateAll(push.step, sums->first(size));
    *sums = sums->subspan(size);
  }
  dense_->set_version(push.step);
  return absl::OkStatus();
}

absl::Status AllReduceStore::Start(std::int64_t first_step) {
  dense_->set_version(first_step);
  if (collective_.size() == 1) return absl::OkStatus();
  for (std::size_t t = 0; t < specs_.size(); ++t) {
    if (!specs_[t].dense) continue;
    for (int part = 0; part <= ops::NumSlots(specs_[t].optimizer.kind); ++part) {
      DIME_RETURN_IF_ERROR(BroadcastPart(t, part));
    }
  }
  return absl::OkStatus();
}

absl::Status AllReduceStore::BroadcastPart(std::size_t table, int part) {
  const ops::TableSpec& spec = specs_[table];
  const std::int64_t step = std::max<std::int64_t>(1, kBroadcastFloats / spec.dim);
  std::vector<float> values;
  for (std::int64_t first = 0; first < spec.num_rows; first += step) {
    const std::int64_t count = std::min(step, spec.num_rows - first);
    values.resize(static_cast<std::size_t>(count * spec.dim));
    tables_[table]->CopyOut(part, first, count, values.data());
    DIME_RETURN_IF_ERROR(
        base::Annotate(Broadcast(collective_, values), "the master's dense variables"));
    tables_[table]->CopyIn(part, first, count, values.data());
  }
  return absl::OkStatus();
}

ps::RowAccess& AllReduceStore::Rows::StoreOf(std::size_t table) {
  return store_.specs_[table].dense ? store_.dense_->rows() : store_.sparse_.rows();
}

absl::StatusOr<ps::ShardRows> AllReduceStore::Rows::ReadShard(std::size_t table,
                                                              int virtual_shard) {
  return StoreOf(table).ReadShard(table, virtual_shard);
}

absl::Status AllReduceStore::Rows::ReadRows(std::size_t table, int part, std::int64_t first,
                                            std::int64_t count, std::span<float> out) {
  return StoreOf(table).ReadRows(table, part, first, count, out);
}

}  // namespace dime::worker
