// ps/table_cut.h - a table's rows as they were at one moment, while its owner goes on updating
// them.
//
// Software copy-on-write by blocks of rows. The owner copies a block aside before it first changes
// it, unless the reader is through with it; the reader takes the copy where there is one. So a cut
// is made in no time to speak of, and costs the owner a copy of each block that it touches
// meanwhile. Threads: one owner, one reader. A block is held by one of them only while it is
// copied.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

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
  [[nodiscard]] std::size_t peak_bytes() const { return peak_bytes_; }

 private:
  enum class State : std::uint8_t {
    kLive,   // Not changed since the cut.
    kHeld,   // Being copied, by either side.
    kAside,  // Copied; the owner has changed it, or is about to.
    kDone,   // The reader needs it no more.
  };

  void PreserveBlock(std::int64_t block);
  // Takes a live block; false if it is not live (any more).
  bool Hold(std::int64_t block);
  void Release(std::int64_t block, State state);
  [[nodiscard]] std::int64_t FirstRow(std::int64_t block) const { return block << row_bits_; }
  [[nodiscard]] std::int64_t NumRows(std::int64_t block) const;

  const float* const records_;
  const std::int64_t num_rows_;
  const std::int64_t dim_;
  const std::int64_t record_floats_;
  const int row_bits_;  // Of a block's rows.
  const std::int64_t num_blocks_;
  const std::unique_ptr<std::atomic<State>[]> states_;
  const std::unique_ptr<std::unique_ptr<float[]>[]> copies_;
  std::atomic<std::size_t> held_bytes_ = 0;
  std::size_t peak_bytes_ = 0;
};

}  // namespace dime::ps
