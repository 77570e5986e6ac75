// ps/unbounded_table.h - the rows of a table without a bound on its ids, or of those virtual shards
// of it that are one server's.
//
// An id has a row from the n-th gradient on that comes for it (UnboundedRows::admit_after) until
// none has come for evict_after_steps, or until a newer one needs its place; without a row it reads
// its initial values. Each of 256 virtual shards, which an id belongs to by its hash alone, has its
// own index, room for rows, counts of sightings and a journal of what changes between cuts, a 256th
// of max_bytes together. What it holds is
// a function of the updates that reached it and their order: servers, however many, and reads
// change nothing. Threads: as Table.
//
// Memory is reserved whole and taken up as rows come. An index doubles within it, one shard at a
// time; a step looks for old rows in a small part of one shard. When a shard is full, the oldest of
// some of its rows, chosen by hash, makes room; when these are all of the same step as the new one,
// that is refused.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ops/table.h"
#include "ps/internal/id_hash.h"
#include "ps/internal/initial_rows.h"
#include "ps/internal/row_index.h"
#include "ps/internal/shard_journal.h"
#include "ps/internal/sightings.h"
#include "ps/row_table.h"
#include "ps/shard_rows.h"
#include "ps/unbounded_cut.h"
#include "runtime/base/status.h"

namespace dime::ps {

struct UnboundedStatistics {
  std::int64_t rows = 0;       // There are now.
  std::int64_t admitted = 0;   // Rows made.
  std::int64_t expired = 0;    // Rows that had no gradient for too long.
  std::int64_t displaced = 0;  // Rows that made room for others.
  std::int64_t refused = 0;    // Times that an id got no row for want of room.
  std::int64_t dropped = 0;    // Gradients for ids that had no row yet.
};

class UnboundedTable final : public RowTable {
 public:
  // These virtual shards of it. kInvalidArgument when max_bytes is too small for any row,
  // kResourceExhausted when there is no memory for it.
  static absl::StatusOr<std::unique_ptr<UnboundedTable>> Create(const ops::TableSpec& spec,
                                                                std::vector<int> virtual_shards,
                                                                std::uint64_t seed);
  ~UnboundedTable() override;

  [[nodiscard]] const ops::TableSpec& spec() const override { return spec_; }
  [[nodiscard]] bool HasIds(std::span<const std::int64_t> ids) const override;
  void Gather(std::span<const std::int64_t> ids, std::span<float> out) const override;
  void Update(std::int64_t step, std::span<const std::int64_t> ids,
              std::span<const float> gradients) override;

  // What ages are counted from: the step of the last update, unless a checkpoint says another.
  void set_step(std::int64_t step);

  [[nodiscard]] const std::vector<int>& virtual_shards() const { return virtual_shards_; }
  [[nodiscard]] const UnboundedStatistics& statistics() const { return statistics_; }
  // All that is reserved, and so the most that is ever used.
  [[nodiscard]] std::size_t memory_bytes() const { return memory_bytes_; }
  [[nodiscard]] std::size_t record_floats() const { return start_record_.size(); }
  [[nodiscard]] std::size_t rows_per_shard() const { return layout_.rows; }

  // Of a shard that is here.
  [[nodiscard]] ShardRows Export(int virtual_shard) const;
  // Replaces the shard's rows, which CheckShard() has passed. Where there is less room than
  // rows, the newest stay; sightings of another size are forgotten.
  void Import(int virtual_shard, const ShardRows& rows);

  // All shards as they are now, to be read by another thread while this one goes on updating; until
  // EndCut(), when nobody reads any more. One at a time.
  UnboundedCut& BeginCut();
  void EndCut();

 private:
  // How a virtual shard's bytes are spent.
  struct Layout {
    std::size_t shard_bytes = 0;
    std::size_t rows = 0;
    int index_bits = 0;
    std::size_t sightings = 0;
    std::size_t journal_erased = 0;  // Words of eight bytes, as are these.
    std::size_t journal_marks = 0;
  };
  struct Shard {
    internal::RowIndex index;
    internal::Sightings sightings;
    internal::ShardJournal journal;
  };
  static constexpr std::size_t kBlock = 32;  // Ids whose memory is asked for at once.
  static constexpr std::uint32_t kNoRow = 0xffffffff;

  UnboundedTable(const ops::TableSpec& spec, const Layout& layout, std::vector<int> virtual_shards,
                 std::uint64_t seed, char* memory, std::size_t memory_bytes);
  static absl::StatusOr<Layout> LayOut(const ops::TableSpec& spec);

  // The hashes of up to kBlock ids; asks for the memory of their places.
  void Hash(std::span<const std::int64_t> ids, std::array<std::uint64_t, kBlock>& hashes) const;
  // The row to be updated; kNoRow when the id has none.
  std::uint32_t RowToUpdate(std::int64_t step, std::int64_t id, std::uint64_t hash);
  std::uint32_t Admit(std::int64_t step, std::int64_t id, std::uint64_t hash);
  std::uint32_t AddRow(std::int64_t step, std::uint64_t hash);
  bool MakeRoom(std::int64_t step, std::uint64_t hash);
  void Sweep(std::int64_t step);

  [[nodiscard]] Shard& ShardOf(std::uint64_t hash) {
    return shards_[static_cast<std::size_t>(places_[internal::VirtualShardOf(hash)])];
  }
  [[nodiscard]] const Shard& ShardOf(std::uint64_t hash) const {
    return shards_[static_cast<std::size_t>(places_[internal::VirtualShardOf(hash)])];
  }
  [[nodiscard]] float* RecordOf(std::uint32_t row) const {
    return records_ + row * start_record_.size();
  }
  void BeforeChange(std::uint32_t row) {
    if (cut_ != nullptr) [[unlikely]]
      cut_->PreserveRow(row);
  }
  [[nodiscard]] bool IsExpired(const internal::RowIndex::Entry& entry, std::int64_t step) const;

  // Before its entry is erased.
  void Drop(Shard& shard, const internal::RowIndex::Entry& entry);
  std::uint32_t TakeRecord();        // To be changed at once.
  void GiveBack(std::uint32_t row);  // Counts the row no more.

  const ops::TableSpec spec_;
  const Layout layout_;
  const std::vector<int> virtual_shards_;
  const internal::InitialWeights initial_;
  const std::vector<float> start_record_;
  std::array<std::int16_t, internal::kVirtualShards> places_;  // In shards_; -1: not here.
  std::vector<Shard> shards_;
  std::unique_ptr<UnboundedCut> cut_;  // Null: none is under way.
  std::int64_t step_ = 0;
  std::int64_t cut_step_ = 0;  // At the last cut, from which on journals know all.

  char* memory_;
  std::size_t memory_bytes_;
  std::span<const std::byte> directory_;  // All shards' indices and sightings.
  float* records_;                        // Of all shards; which record is whose does not matter.
  std::uint32_t num_touched_ = 0;
  std::uint32_t first_free_ = 0;  // Plus 1; a free record begins with the next one's.

  UnboundedStatistics statistics_;
};

}  // namespace dime::ps
