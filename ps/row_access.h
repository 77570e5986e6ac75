// ps/row_access.h - the whole rows of all tables, wherever they are: how exports get at
// them.
//
// A row's parts: 0 are its weights, 1 and above its optimizer's slots. Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ops/table.h"
#include "ps/table.h"
#include "ps/unbounded_table.h"
#include "runtime/base/status.h"

namespace dime::ps {

class RowAccess {
 public:
  virtual ~RowAccess() = default;

  [[nodiscard]] virtual std::span<const ops::TableSpec> specs() const = 0;

  // Rows [first, first + count) of a part of a table: count * dim floats.
  virtual absl::Status ReadRows(std::size_t table, int part, std::int64_t first, std::int64_t count,
                                std::span<float> out) = 0;
  // All of a virtual shard of an unbounded table.
  virtual absl::StatusOr<ShardRows> ReadShard(std::size_t table, int virtual_shard) = 0;
};

// Tables of this process, which hold all their rows.
class LocalRows final : public RowAccess {
 public:
  // In place of an unbounded table there is one without rows among `tables`; `unbounded` has the
  // others, null for fixed ones, or is empty.
  explicit LocalRows(std::span<Table* const> tables, std::vector<UnboundedTable*> unbounded = {});

  [[nodiscard]] std::span<const ops::TableSpec> specs() const override { return specs_; }
  absl::Status ReadRows(std::size_t table, int part, std::int64_t first, std::int64_t count,
                        std::span<float> out) override;
  absl::StatusOr<ShardRows> ReadShard(std::size_t table, int virtual_shard) override;

 private:
  std::vector<Table*> tables_;
  std::vector<UnboundedTable*> unbounded_;
  std::vector<ops::TableSpec> specs_;
};

}  // namespace dime::ps
