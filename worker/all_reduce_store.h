// worker/all_reduce_store.h - the parameter store of a cluster whose training replicas keep the
// dense rows themselves; sparse ones are where they were, on its parameter servers.
//
// Each replica has all dense tables. A step's gradients are summed by all of them in the order of
// its micro-batches, and each makes the same update of the same sum: the same bytes everywhere, and
// the same as those of servers in sync. Dense gradients and rows do not go through servers then.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ops/table.h"
#include "ps/row_access.h"
#include "ps/shards.h"
#include "worker/collective/collective.h"
#include "worker/collective/ordered_sum.h"
#include "worker/in_process_store.h"
#include "worker/parameter_store.h"

namespace dime::worker {

// The tables with no rows in those that are dense, or sparse: what the other store has.
[[nodiscard]] std::vector<ops::TableSpec> WithoutDenseRows(std::vector<ops::TableSpec> specs);
[[nodiscard]] std::vector<ops::TableSpec> WithoutSparseRows(std::vector<ops::TableSpec> specs);

class AllReduceStore final : public ParameterStore {
 public:
  // `sparse`: a store of WithoutDenseRows(specs), in sync, that has all replicas' sparse rows. It
  // and `collective` outlive the result.
  static absl::StatusOr<std::unique_ptr<AllReduceStore>> Create(
      const std::vector<ops::TableSpec>& specs, std::uint64_t seed,
      const ps::ConsistencyOptions& options, ParameterStore& sparse, Collective& collective);

  // The master's dense rows become those of all replicas, which hold `first_step` steps by then.
  // All of them call it before the first step.
  absl::Status Start(std::int64_t first_step);

  // The last of this replica's pushes of a step waits for those of all others.
  absl::StatusOr<ops::Rows> Exchange(const Push* push, const Pull& pull) override;
  [[nodiscard]] std::int64_t version() const override { return dense_->version(); }
  [[nodiscard]] ps::RowAccess& rows() override { return rows_; }
  // In the order of the specs; sparse ones have no rows here.
  [[nodiscard]] const std::vector<ps::Table*>& dense_tables() const { return tables_; }

 private:
  class Rows final : public ps::RowAccess {
   public:
    explicit Rows(AllReduceStore& store) : store_(store) {}
    [[nodiscard]] std::span<const ops::TableSpec> specs() const override { return store_.specs_; }
    absl::Status ReadRows(std::size_t table, int part, std::int64_t first, std::int64_t count,
                          std::span<float> out) override;
    absl::StatusOr<ps::ShardRows> ReadShard(std::size_t table, int virtual_shard) override;

   private:
    ps::RowAccess& StoreOf(std::size_t table);
    AllReduceStore& store_;
  };

  AllReduceStore(const std::vector<ops::TableSpec>& specs, std::unique_ptr<InProcessStore> dense,
                 const ps::ConsistencyOptions& options, ParameterStore& sparse,
                 Collective& collective);

  absl::Status PushDense(const Push& push);
  absl::Status BroadcastPart(std::size_t table, int part);

  const std::vector<ops::TableSpec> specs_;
  const ops::Lookups no_ids_;
  const std::unique_ptr<InProcessStore> dense_;
  const std::vector<ps::Table*> tables_;  // Of dense_.
  ParameterStore& sparse_;
  Collective& collective_;
  OrderedSum sum_;
  Rows rows_{*this};
  std::vector<std::span<const float>> parts_;  // Kept for its memory.
};

}  // namespace dime::worker
