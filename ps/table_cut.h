// ps/table_cut.h - a table's rows as they were at one moment, while its owner goes on updating
// them (ps/internal/memory_cut.h, whose threads are these).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ps/internal/memory_cut.h"

namespace dime::ps {

class TableCut {
 public:
  // The records lie one after another, and outlive this object.
  TableCut(const float* records, std::int64_t num_rows, std::int64_t dim,
           std::int64_t record_floats);

  // The owner, before it changes these rows; those from `first` on.
  void Preserve(std::span<const std::int64_t> rows);
  void PreserveRange(std::int64_t first, std::int64_t count);

  // The reader: rows [first, first + count) of the weights (part 0) or of slot part - 1, as they
  // were. `last`: they are not asked for again, nor are those before them.
  void Read(int part, std::int64_t first, std::int64_t count, bool last, float* out);

  // What copies took at most. The owner's to ask, or anybody's when all is over.
  [[nodiscard]] std::size_t peak_bytes() const { return memory_.peak_bytes(); }

 private:
  [[nodiscard]] std::size_t BlockOf(std::int64_t row) const {
    return static_cast<std::size_t>(row >> row_bits_);
  }

  const std::int64_t num_rows_;
  const std::int64_t dim_;
  const std::int64_t record_floats_;
  const int row_bits_;  // Of a block's rows.
  internal::MemoryCut memory_;
};

}  // namespace dime::ps
