// ps/unbounded_cut.h - an unbounded table as it was at one moment, while its owner goes on updating
// it: its rows, and what says whose they are (ps/internal/memory_cut.h, whose threads are these).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "ps/internal/memory_cut.h"
#include "ps/internal/row_index.h"
#include "ps/internal/shard_journal.h"
#include "ps/shard_rows.h"

namespace dime::ps {

class UnboundedCut {
 public:
  // Where a virtual shard's index and sightings lie among those of all.
  struct Place {
    int virtual_shard = 0;
    std::span<const internal::RowIndex::Entry> entries;
    std::span<const std::uint64_t> sightings;
    internal::ShardJournal::Changes changes;  // Since the cut before.
  };

  // The memory outlives this object. `directory`: of all shards' indices and sightings. `step`: how
  // many the table holds; `step_before`: held at the cut before.
  UnboundedCut(std::span<const float> records, std::size_t record_floats,
               std::span<const std::byte> directory, std::vector<Place> places, std::int64_t step,
               std::int64_t step_before);

  // The owner, before it changes a row, or what the directory has.
  void PreserveRow(std::uint32_t row) { records_.PreserveBlock(row / rows_per_block_); }
  void PrefetchRow(std::uint32_t row) const { records_.Prefetch(row / rows_per_block_); }
  [[nodiscard]] internal::MemoryCut& directory() { return directory_; }

  // The reader: a shard that is here, once, and in the order of their places.
  [[nodiscard]] ShardRows Read(int virtual_shard);
  // The same, or what has changed since the cut before, if that is known, and of most rows nothing.
  [[nodiscard]] SavedShard ReadChanges(int virtual_shard);

  // What copies took at most. The owner's to ask, or anybody's when all is over.
  [[nodiscard]] std::size_t peak_bytes() const {
    return records_.peak_bytes() + directory_.peak_bytes();
  }

 private:
  // The shard's place, whose turn it is.
  [[nodiscard]] const Place& Next(int virtual_shard);
  // Its entries, and the rows of some of them.
  [[nodiscard]] std::vector<internal::RowIndex::Entry> TakeEntries(const Place& place);
  [[nodiscard]] ShardRows TakeRows(std::vector<internal::RowIndex::Entry> entries);
  // Takes a piece out of the directory, which is not asked for again.
  template <typename T>
  std::vector<T> TakeDirectory(std::span<const T> piece);

  const std::size_t record_floats_;
  const std::size_t rows_per_block_;
  const std::byte* const directory_begin_;
  const std::vector<Place> places_;
  const std::int64_t step_;
  const std::int64_t step_before_;
  std::ptrdiff_t num_read_ = 0;  // Places up to there have had their turn.
  internal::MemoryCut records_;
  internal::MemoryCut directory_;
};

}  // namespace dime::ps
