// ps/part_save.h - the rows of one process on their way into a checkpoint, while training goes on.
//
// From its making on the tables are frozen for it, and for it alone (ps/table_cut.h,
// unbounded_cut.h). It writes one
// data file of a bundle, in a thread of its own or step by step in the caller's. Weights that are
// no finite numbers are not written. Threads: one at a time; the tables' owner makes and destroys
// it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "ops/table.h"
#include "ps/internal/variables.h"
#include "ps/table.h"
#include "ps/table_cut.h"
#include "ps/unbounded_cut.h"
#include "ps/unbounded_table.h"
#include "runtime/base/status.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/bundle_part.h"
#include "runtime/storage/file_system.h"

namespace dime::ps {

class PartSave {
 public:
  // kWhole: a variable is one tensor, for a process that has all rows. kShards: shard by shard, so
  // that several processes make up a variable, and few copies of blocks are kept.
  enum class Layout { kWhole, kShards };

  struct Target {
    storage::FileSystem* files = nullptr;
    std::string prefix;
    int part = 0;  // The first one has what is no table's, too.
    int num_parts = 1;
    std::int64_t global_step = 0;
    // The checkpoint is to build on the one of this step (checkpoint_chain.h), as far as that can
    // be built on; none: it is to stand by itself.
    std::optional<std::int64_t> base_step = {};
  };

  // The part of a checkpoint that the next one may build on: what it has of each shard of each
  // unbounded table, in their order, as fingerprints.
  struct Base {
    std::int64_t step = 0;
    std::vector<std::int64_t> fingerprints;
  };

  // The tables outlive this object. `unbounded`: null for fixed ones; none stands for none.
  // `before`: of the save of these tables that was made just before this one, if it was written.
  PartSave(std::vector<Table*> tables, Layout layout,
           std::span<UnboundedTable* const> unbounded = {}, std::optional<Base> before = {});
  ~PartSave();  // Waits for the thread, which ends soon.

  // Begins to write; then either StartThread() or Step() until it is false.
  absl::Status Begin(const Target& target);
  void StartThread();
  // Writes a piece. False: it is over, well or not.
  bool Step();

  [[nodiscard]] bool has_begun() const { return has_begun_; }
  [[nodiscard]] bool is_over() const { return is_over_.load(std::memory_order_acquire); }
  [[nodiscard]] bool is_writing() const { return has_begun_ && !is_over(); }

  // Nobody wants it any more. A thread notices soon, unless it waits for the disk.
  void Cancel();
  // Whether it may be destroyed without waiting, after Cancel().
  [[nodiscard]] bool is_given_up() const {
    return is_cancelled_ && (!thread_.joinable() || is_over());
  }

  // Once it is over: what checkpoint::WriteBundleIndex() takes. kFailedPrecondition when weights
  // are no finite numbers.
  [[nodiscard]] const absl::StatusOr<std::string>& entries() const { return entries_; }
  // Once it is over well: for the next one.
  [[nodiscard]] Base AsBase() const { return {target_.global_step, fingerprints_}; }
  // Once it is over: what copies of blocks took at most.
  [[nodiscard]] std::size_t peak_copy_bytes() const;

 private:
  // Rows of a variable, which the file has together.
  struct Rows {
    const ops::TableSpec* spec = nullptr;
    TableCut* cut = nullptr;
    int part = 0;
    bool is_last_part = false;
    std::int64_t first = 0;  // As they lie here.
    std::int64_t count = 0;
    checkpoint::RowRange in_tensor = {};
  };
  // A virtual shard of an unbounded table.
  struct Shard {
    const ops::TableSpec* spec = nullptr;
    UnboundedCut* cut = nullptr;
    int number = 0;
  };
  // The one in the target.
  struct BaseStep {};
  struct Piece {
    std::string name;
    std::variant<Rows, internal::BetaPower, internal::GlobalStep, BaseStep, Shard> content;
  };

  void PlanWholeTables();
  void PlanShards();
  void PlanUnbounded();
  [[nodiscard]] Rows PartOf(std::size_t table, int part) const;
  absl::Status WriteNext();
  [[nodiscard]] absl::Status WriteShardOf(const Shard& shard);
  [[nodiscard]] absl::Status CheckFinite(const ops::TableSpec& spec,
                                         std::span<const float> weights) const;
  absl::StatusOr<bool> WriteRows(const std::string& name, const Rows& rows);
  void Finish(absl::StatusOr<std::string> entries);

  const std::vector<Table*> tables_;
  std::vector<TableCut*> cuts_;  // Parallel.
  std::vector<UnboundedTable*> unbounded_;
  std::vector<UnboundedCut*> unbounded_cuts_;  // Parallel.
  const Layout layout_;
  const std::optional<Base> before_;
  bool builds_on_before_ = false;
  std::vector<std::int64_t> fingerprints_;  // Of the shards that are written.
  Target target_;
  std::vector<Piece> pieces_;
  std::size_t piece_ = 0;  // The next to be written.
  std::int64_t row_ = 0;   // How many of its rows are.
  std::vector<float> block_;
  std::unique_ptr<checkpoint::BundlePartWriter> writer_;
  absl::StatusOr<std::string> entries_;
  bool has_begun_ = false;
  bool is_cancelled_ = false;
  std::atomic<bool> is_over_ = false;
  std::jthread thread_;
};

}  // namespace dime::ps
