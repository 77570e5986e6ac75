// ps/shards.h - the rows that one process keeps of all tables, and when gradients reach them.
//
// A server has its part of the rows, BASIC has all of them: the same code. Rows are numbered as
// they lie here. Threads: one at a time.
//
// Consistency:
//   async    each push is an update of its own, as it comes
//   bounded  the same; but no replica pulls more than max_lead pushes ahead of the slowest one
//   sync     the pushes of a step's micro-batches are summed in the micro-batches' order, and one
//            update is made of the sum: the same bytes whoever pushed, and in whatever order
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ops/sparse.h"
#include "ops/table.h"
#include "ps/internal/previous_rows.h"
#include "ps/sharding.h"
#include "ps/table.h"
#include "ps/unbounded_table.h"
#include "runtime/base/status.h"
#include "runtime/cluster/consistency.h"

namespace dime::ps {

struct ConsistencyOptions {
  cluster::Consistency consistency = {};
  int num_replicas = 1;   // Those that push.
  int micro_batches = 1;  // kSync: pushes that make up a step.
  bool average = true;    // kSync: gradients are averaged over the micro-batches, or summed.
  // kSync: the rows of the step before are kept, too, for a replica that has to take a step again
  // which is whole here, and not on another server.
  bool keep_previous = false;
};

// One table's gradients for some of its rows here, distinct ones; of an unbounded table these are
// ids. Dense tables: all rows.
struct TableGradients {
  std::span<const std::int64_t> rows;
  std::span<const float> values;
};

struct PushedGradients {
  int replica = 0;
  std::int64_t step = 0;            // kSync: of which step, from 1.
  int micro_batch = 0;              // kSync: of which of its batches.
  std::int64_t pulled_version = 0;  // Of the rows that the gradients were computed with.
  std::span<const TableGradients> tables;
};

class Shards {
 public:
  // The part of one server. kResourceExhausted as in Table.
  static absl::StatusOr<std::unique_ptr<Shards>> Create(std::span<const ops::TableSpec> specs,
                                                        const Sharding& sharding, int server,
                                                        std::uint64_t seed,
                                                        const ConsistencyOptions& options);

  // How many updates the rows hold: in sync, steps.
  [[nodiscard]] std::int64_t version() const { return version_; }
  void set_version(std::int64_t version);  // Of a restored checkpoint.

  // kFailedPrecondition when the push is not of the step that is being summed up, or its
  // micro-batch was pushed before; nothing has changed then.
  absl::Status Push(const PushedGradients& push);

  // Whether `replica` may have rows now to train with. In sync it asks for those of step `step`:
  // with all steps before it, that is. 0: the rows as they are, for any other use.
  [[nodiscard]] bool MayPull(int replica, std::int64_t step) const;
  // A replica that has no batches at the moment holds nobody up, and is held up by nobody.
  void Leave(int replica);
  // One that had left goes on, beside the slowest of the others.
  void Return(int replica);

  // kSync: whether this micro-batch's gradients are in the rows, or will be when its step is whole.
  [[nodiscard]] bool HasPush(std::int64_t step, int micro_batch) const;
  // Whether the rows for `step` are those before the last update, and kept; their weights.
  [[nodiscard]] bool HasPreviousFor(std::int64_t step) const;
  void GatherPrevious(std::size_t table, std::span<const std::int64_t> ids, std::span<float> out);

  // Fixed tables; in place of an unbounded one, one without rows.
  [[nodiscard]] const std::vector<std::unique_ptr<Table>>& tables() const { return tables_; }
  [[nodiscard]] std::size_t num_tables() const { return tables_.size(); }
  // Null for a fixed table.
  [[nodiscard]] UnboundedTable* unbounded(std::size_t table) const {
    return unbounded_[table].get();
  }
  // By table.
  [[nodiscard]] std::vector<UnboundedTable*> all_unbounded() const;
  // Either.
  [[nodiscard]] const RowTable& rows(std::size_t table) const {
    if (unbounded_[table] != nullptr) return *unbounded_[table];
    return *tables_[table];
  }

  [[nodiscard]] UnboundedStatistics unbounded_statistics() const;  // Of all such tables.

  // staleness()[s]: how many pushes came s updates after their rows were pulled; the last one
  // counts all beyond.
  [[nodiscard]] std::span<const std::int64_t> staleness() const { return staleness_; }

 private:
  // A micro-batch that came before those in front of it.
  struct Early {
    bool is_there = false;
    std::vector<std::vector<std::int64_t>> rows;
    std::vector<std::vector<float>> values;
  };
  // What a step's micro-batches have summed up to.
  struct Sum {
    ops::Deduplicator deduplicator;
    std::vector<std::int64_t> rows;
    std::vector<float> values;
  };

  explicit Shards(const ConsistencyOptions& options);

  absl::Status PushInOrder(const PushedGradients& push);
  void Update(std::span<const TableGradients> tables);
  void RememberRows(std::span<const TableGradients> tables);
  void AddUp(std::span<const TableGradients> tables);
  void AddRows(std::size_t table, const TableGradients& gradients);
  void UpdateWithSums();
  void CountStaleness(std::int64_t pulled_version);

  ConsistencyOptions options_;
  std::vector<std::unique_ptr<Table>> tables_;
  std::vector<std::unique_ptr<UnboundedTable>> unbounded_;  // By table; null for fixed ones.
  std::int64_t version_ = 0;

  std::vector<std::int64_t> clocks_;  // By replica: pushes; those that left are far ahead.
  std::vector<std::int64_t> staleness_;

  int num_summed_ = 0;  // Micro-batches of the step.
  std::vector<Sum> sums_;
  std::vector<Early> early_;
  std::vector<internal::PreviousRows> previous_;  // By table; none: they are not kept.
};

}  // namespace dime::ps
