// ps/table.h - one table's rows in memory: weights and optimizer slots of a row in one record,
// contiguous.
//
// A flat array of fixed size, in huge pages where the system has them. It holds a whole variable,
// or the blocks of it that are one server's (ps/sharding.h); rows are numbered as they lie here,
// from 0. Threads: one writer; concurrent readers only while nobody writes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/table.h"
#include "ps/row_table.h"
#include "ps/table_cut.h"
#include "runtime/base/status.h"

namespace dime::ps {

// Rows [first, first + count) of a variable.
struct RowBlock {
  std::int64_t first = 0;
  std::int64_t count = 0;
  friend bool operator==(const RowBlock&, const RowBlock&) = default;
};

class Table final : public RowTable {
 public:
  // Rows get their initial values: a pure function of (seed, table name, row of the variable),
  // whoever asks. kResourceExhausted names the table when there is no memory for it.
  static absl::StatusOr<std::unique_ptr<Table>> Create(const ops::TableSpec& spec,
                                                       std::uint64_t seed);
  // The same of these blocks alone, one after another.
  static absl::StatusOr<std::unique_ptr<Table>> CreatePart(const ops::TableSpec& spec,
                                                           std::vector<RowBlock> blocks,
                                                           std::uint64_t seed);
  ~Table() override;

  [[nodiscard]] const ops::TableSpec& spec() const override { return spec_; }
  [[nodiscard]] std::span<const RowBlock> blocks() const { return blocks_; }
  [[nodiscard]] std::int64_t num_rows() const { return num_rows_; }  // Here.
  [[nodiscard]] std::int64_t IdOf(std::int64_t row) const;  // Its number in the whole variable.
  [[nodiscard]] std::int64_t record_floats() const { return record_floats_; }  // dim * (1 + slots)

  // Row `id`'s weights, and its slot's values: dim floats each.
  [[nodiscard]] std::span<const float> weights(std::int64_t id) const;
  [[nodiscard]] std::span<const float> slot(std::int64_t id, int slot) const;

  [[nodiscard]] bool HasIds(std::span<const std::int64_t> ids) const override;
  void Gather(std::span<const std::int64_t> ids, std::span<float> out) const override;
  void Update(std::int64_t step, std::span<const std::int64_t> ids,
              std::span<const float> gradients) override;
  // A dense table takes all its rows' gradients at once.
  void UpdateAll(std::int64_t step, std::span<const float> gradients);

  // All rows as they are now, to be read by another thread while this one goes on updating; until
  // EndCut(), when nobody reads any more. One at a time.
  TableCut& BeginCut();
  void EndCut() { cut_.reset(); }

  // Copies rows [first, first + count) of the weights (part 0) or of slot part-1 out or in: count *
  // dim floats.
  void CopyOut(int part, std::int64_t first, std::int64_t count, float* out) const;
  void CopyIn(int part, std::int64_t first, std::int64_t count, const float* in);

 private:
  Table(const ops::TableSpec& spec, std::vector<RowBlock> blocks, std::uint64_t seed,
        float* records, std::size_t size_bytes);

  ops::TableSpec spec_;
  std::vector<RowBlock> blocks_;
  std::int64_t num_rows_ = 0;
  std::int64_t record_floats_ = 0;
  float* records_ = nullptr;
  std::size_t size_bytes_ = 0;
  std::unique_ptr<TableCut> cut_;  // Null: none is under way.
};

}  // namespace dime::ps
