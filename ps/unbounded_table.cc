#include "ps/unbounded_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <utility>

#include "ops/optimizer.h"
#include "ps/internal/collect_rows.h"
#include "ps/internal/id_hash.h"
#include "ps/internal/initial_rows.h"
#include "ps/internal/memory.h"
#include "runtime/base/check.h"

namespace dime::ps {
namespace {

using internal::kVirtualShards;
using internal::RowIndex;
using internal::Sightings;

constexpr std::size_t kLineBytes = 64;
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kSightingsShare = 16;  // One part in so many of a shard's bytes.
// Likewise, for the rows that go between two checkpoints: more than a fourth of all, where they
// have 16 floats and Adagrad's slots.
constexpr std::size_t kJournalShare = 64;
constexpr std::size_t kFewestRows = 8;  // Of a virtual shard.
// Rows among which the oldest is looked for: the more, the nearer to the oldest of all.
constexpr std::size_t kCandidates = 16;
constexpr std::int64_t kMostParts =
    4096;  // Of a virtual shard, in which expired rows are looked for.

constexpr std::size_t RoundUp(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

constexpr std::size_t IndexBytes(int bits) {
  return RoundUp(RowIndex::EntriesFor(bits) * sizeof(RowIndex::Entry), kLineBytes);
}

void Prefetch(const float* floats, std::size_t count) {
  constexpr std::size_t kLineFloats = kLineBytes / sizeof(float);
  constexpr std::size_t kMostLines = 4;  // The processor goes on by itself.
  for (std::size_t at = 0; at < std::min(count, kMostLines * kLineFloats); at += kLineFloats) {
    __builtin_prefetch(floats + at, 1);
  }
}

}  // namespace

absl::StatusOr<UnboundedTable::Layout> UnboundedTable::LayOut(const ops::TableSpec& spec) {
  const auto most_bytes = static_cast<std::size_t>(spec.unbounded->max_bytes);
  const auto dim = static_cast<std::size_t>(spec.dim);
  const auto floats_per_weight = static_cast<std::size_t>(1 + ops::NumSlots(spec.optimizer.kind));
  Layout layout;
  layout.shard_bytes = most_bytes / kVirtualShards / kPageBytes * kPageBytes;
  const std::size_t record_bytes = dim * floats_per_weight * sizeof(float);
  if (spec.unbounded->admit_after > 1 && layout.shard_bytes > 0) {
    const std::size_t share = layout.shard_bytes / kSightingsShare / kLineBytes;
    layout.sightings = std::bit_floor(std::max<std::size_t>(share, 1)) * Sightings::kSetSize;
  }
  constexpr std::size_t kLineWords = kLineBytes / sizeof(std::uint64_t);
  const std::size_t journal_lines = layout.shard_bytes / kJournalShare / kLineBytes;
  layout.journal_erased = std::max<std::size_t>(journal_lines, 1) * kLineWords;
  layout.journal_marks =
      RoundUp(internal::ShardJournal::WordsFor(layout.sightings / Sightings::kSetSize), kLineWords);
  const std::size_t words = layout.sightings + layout.journal_erased + layout.journal_marks;
  for (int bits = RowIndex::kFewestBits; bits <= RowIndex::kMostBits; ++bits) {
    const std::size_t taken = words * sizeof(std::uint64_t) + IndexBytes(bits) + kLineBytes;
    if (taken >= layout.shard_bytes) break;
    const std::size_t rows =
        std::min(RowIndex::RowsFor(bits), (layout.shard_bytes - taken) / record_bytes);
    if (rows <= layout.rows) continue;
    layout.rows = rows;
    layout.index_bits = bits;
  }
  layout.rows = std::min<std::size_t>(layout.rows, kNoRow / kVirtualShards - 1);
  if (layout.rows >= kFewestRows) return layout;
  const std::size_t least = RoundUp(2 * kFewestRows * record_bytes + 512, kPageBytes);
  return base::InvalidArgument(
      "table '{}' has at most {} bytes, which are too few for rows of {} bytes; allow {} or more",
      spec.name, most_bytes, record_bytes, least * kVirtualShards);
}

absl::StatusOr<std::unique_ptr<UnboundedTable>> UnboundedTable::Create(
    const ops::TableSpec& spec, std::vector<int> virtual_shards, std::uint64_t seed) {
  DIME_CHECK(spec.unbounded && spec.dim > 0 && !ops::MovesAllRows(spec.optimizer.kind));
  DIME_ASSIGN_OR_RETURN(const Layout layout, LayOut(spec));
  const std::size_t memory_bytes = layout.shard_bytes * virtual_shards.size();
  void* memory = nullptr;
  if (memory_bytes > 0) {
    if (memory_bytes <= internal::PhysicalMemoryBytes()) memory = internal::MapMemory(memory_bytes);
    if (memory == nullptr) {
      return base::ResourceExhausted(
          "table '{}' does not fit into memory: {} MiB are allowed for the part of it that is "
          "here; "
          "this machine has {} MiB",
          spec.name, memory_bytes >> 20, internal::PhysicalMemoryBytes() >> 20);
    }
  }
  return std::unique_ptr<UnboundedTable>(new UnboundedTable(
      spec, layout, std::move(virtual_shards), seed, static_cast<char*>(memory), memory_bytes));
}

UnboundedTable::UnboundedTable(const ops::TableSpec& spec, const Layout& layout,
                               std::vector<int> virtual_shards, std::uint64_t seed, char* memory,
                               std::size_t memory_bytes)
    : spec_(spec),
      layout_(layout),
      virtual_shards_(std::move(virtual_shards)),
      initial_(spec, seed),
      start_record_(internal::StartRecord(spec)),
      memory_(memory),
      memory_bytes_(memory_bytes),
      records_(reinterpret_cast<float*>(memory)) {
  places_.fill(-1);
  // Records first: they begin where a line of the cache does.
  const std::size_t records_bytes = RoundUp(
      layout.rows * virtual_shards_.size() * start_record_.size() * sizeof(float), kLineBytes);
  char* next = memory + records_bytes;
  for (const int virtual_shard : virtual_shards_) {
    places_[static_cast<std::size_t>(virtual_shard)] = static_cast<std::int16_t>(shards_.size());
    auto* const entries = reinterpret_cast<RowIndex::Entry*>(next);
    next += IndexBytes(layout.index_bits);
    auto* const sightings = reinterpret_cast<std::uint64_t*>(next);
    next += layout.sightings * sizeof(std::uint64_t);
    shards_.push_back({RowIndex(entries, layout.index_bits),
                       Sightings({sightings, layout.sightings}), internal::ShardJournal({}, {})});
  }
  directory_ = std::as_bytes(std::span(memory + records_bytes, next));
  for (Shard& shard : shards_) {
    auto* const erased = reinterpret_cast<std::uint64_t*>(next);
    auto* const marks = erased + layout.journal_erased;
    next = reinterpret_cast<char*>(marks + layout.journal_marks);
    shard.journal = internal::ShardJournal(
        {erased, layout.journal_erased},
        {marks, internal::ShardJournal::WordsFor(layout.sightings / Sightings::kSetSize)});
    shard.sightings.set_marks(shard.journal.marks());
  }
  DIME_CHECK(next <= memory + memory_bytes);
}

UnboundedTable::~UnboundedTable() {
  if (memory_ != nullptr) internal::UnmapMemory(memory_, memory_bytes_);
}

bool UnboundedTable::HasIds(std::span<const std::int64_t> ids) const {
  return std::ranges::all_of(ids, [&](std::int64_t id) {
    return id >= 0 && id < ops::UnboundedRows::kNumIds &&
           places_[internal::VirtualShardOf(internal::HashOfId(id))] >= 0;
  });
}

bool UnboundedTable::IsExpired(const RowIndex::Entry& entry, std::int64_t step) const {
  const std::int64_t limit = spec_.unbounded->evict_after_steps;
  return limit > 0 && static_cast<std::uint32_t>(step) - entry.last_update > limit;
}

void UnboundedTable::Hash(std::span<const std::int64_t> ids,
                          std::array<std::uint64_t, kBlock>& hashes) const {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    hashes[i] = internal::HashOfId(ids[i]);
    ShardOf(hashes[i]).index.Prefetch(hashes[i]);
  }
}

void UnboundedTable::Gather(std::span<const std::int64_t> ids, std::span<float> out) const {
  const auto dim = static_cast<std::size_t>(spec_.dim);
  DIME_CHECK(out.size() == ids.size() * dim);
  std::array<std::uint64_t, kBlock> hashes;
  std::array<const float*, kBlock> rows;
  float* target = out.data();
  while (!ids.empty()) {
    const auto block = ids.first(std::min(ids.size(), kBlock));
    Hash(block, hashes);
    for (std::size_t i = 0; i < block.size(); ++i) {
      const RowIndex::Entry* const entry = ShardOf(hashes[i]).index.Find(hashes[i]);
      const bool has_row = entry != nullptr && !IsExpired(*entry, step_);
      rows[i] = has_row ? RecordOf(entry->number - 1) : nullptr;
      if (has_row) Prefetch(rows[i], dim);
    }
    for (std::size_t i = 0; i < block.size(); ++i, target += dim) {
      if (rows[i] != nullptr) {
        std::memcpy(target, rows[i], dim * sizeof(float));
      } else {
        std::fill_n(target, dim, 0.0f);
        initial_.Draw(block[i], {target, dim});
      }
    }
    ids = ids.subspan(block.size());
  }
}

void UnboundedTable::Update(std::int64_t step, std::span<const std::int64_t> ids,
                            std::span<const float> gradients) {
  const auto dim = static_cast<std::size_t>(spec_.dim);
  DIME_CHECK(gradients.size() == ids.size() * dim);
  std::array<std::uint64_t, kBlock> hashes;
  std::array<float*, kBlock> records;
  while (!ids.empty()) {
    const auto block = ids.first(std::min(ids.size(), kBlock));
    Hash(block, hashes);
    for (std::size_t i = 0; i < block.size(); ++i) {
      const std::uint32_t row = RowToUpdate(step, block[i], hashes[i]);
      records[i] = row == kNoRow ? nullptr : RecordOf(row);
      if (records[i] == nullptr) continue;
      Prefetch(records[i], start_record_.size());
      BeforeChange(row);
    }
    ops::UpdateRowsAt(spec_.optimizer, step, spec_.dim, std::span(records).first(block.size()),
                      gradients.data());
    gradients = gradients.subspan(block.size() * dim);
    ids = ids.subspan(block.size());
  }
  step_ = step;
  Sweep(step);
}

std::uint32_t UnboundedTable::RowToUpdate(std::int64_t step, std::int64_t id, std::uint64_t hash) {
  Shard& shard = ShardOf(hash);
  if (const RowIndex::Entry* const entry = shard.index.Find(hash)) {
    // What the gradient was computed with is what ages were before this update.
    if (!IsExpired(*entry, step_)) {
      shard.index.SetLastUpdate(*entry, static_cast<std::uint32_t>(step));
      return entry->number - 1;
    }
    Drop(shard, *entry);
    shard.index.Erase(hash);
    ++statistics_.expired;
  }
  const std::uint32_t row = Admit(step, id, hash);
  if (row == kNoRow) ++statistics_.dropped;
  return row;
}

std::uint32_t UnboundedTable::Admit(std::int64_t step, std::int64_t id, std::uint64_t hash) {
  const auto needed = static_cast<std::uint64_t>(spec_.unbounded->admit_after);
  Shard& shard = ShardOf(hash);
  if (needed > 1 && shard.sightings.Count(hash) < needed) return kNoRow;
  const std::uint32_t row = AddRow(step, hash);
  if (row == kNoRow) {
    ++statistics_.refused;
    return row;
  }
  if (needed > 1) shard.sightings.Forget(hash);
  std::ranges::copy(start_record_, RecordOf(row));
  initial_.Draw(id, {RecordOf(row), static_cast<std::size_t>(spec_.dim)});
  ++statistics_.admitted;
  return row;
}

std::uint32_t UnboundedTable::AddRow(std::int64_t step, std::uint64_t hash) {
  Shard& shard = ShardOf(hash);
  if (shard.index.size() >= layout_.rows && !MakeRoom(step, hash)) return kNoRow;
  const std::uint32_t row = TakeRecord();
  if (shard.index.Insert(
          {.hash = hash, .number = row + 1, .last_update = static_cast<std::uint32_t>(step)})) {
    return row;
  }
  GiveBack(row);
  return kNoRow;
}

bool UnboundedTable::MakeRoom(std::int64_t step, std::uint64_t hash) {
  Shard& shard = ShardOf(hash);
  std::array<const RowIndex::Entry*, kCandidates> entries;
  const std::size_t count = shard.index.Sample(hash, entries);
  const RowIndex::Entry* oldest = nullptr;
  std::uint32_t age = 0;  // A row of this step is none to go.
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t its_age = static_cast<std::uint32_t>(step) - entries[i]->last_update;
    if (its_age <= age) continue;
    age = its_age;
    oldest = entries[i];
  }
  if (oldest == nullptr) return false;
  Drop(shard, *oldest);
  shard.index.Erase(oldest->hash);
  ++statistics_.displaced;
  return true;
}

// One shard a step, so that all have had their turn after kVirtualShards steps; of a shard so small
// a part that it is gone through about twice in the time that rows may stay.
void UnboundedTable::Sweep(std::int64_t step) {
  const std::int64_t limit = spec_.unbounded->evict_after_steps;
  const auto num_shards = static_cast<std::int64_t>(kVirtualShards);
  const std::int16_t place = places_[static_cast<std::size_t>(step % num_shards)];
  if (limit == 0 || place < 0) return;
  const auto num_parts = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(
      std::clamp<std::int64_t>(limit / (2 * num_shards), 1, kMostParts))));
  Shard& shard = shards_[static_cast<std::size_t>(place)];
  shard.index.EraseIf(static_cast<std::uint64_t>(step / num_shards % num_parts),
                      static_cast<std::uint64_t>(num_parts), [&](const RowIndex::Entry& entry) {
                        if (!IsExpired(entry, step)) return false;
                        Drop(shard, entry);
                        ++statistics_.expired;
                        return true;
                      });
}

void UnboundedTable::Drop(Shard& shard, const RowIndex::Entry& entry) {
  shard.journal.NoteErased(entry.hash);
  GiveBack(entry.number - 1);
}

std::uint32_t UnboundedTable::TakeRecord() {
  ++statistics_.rows;
  if (first_free_ == 0) return num_touched_++;
  const std::uint32_t row = first_free_ - 1;
  BeforeChange(row);
  std::memcpy(&first_free_, RecordOf(row), sizeof(first_free_));
  return row;
}

void UnboundedTable::GiveBack(std::uint32_t row) {
  --statistics_.rows;
  BeforeChange(row);
  std::memcpy(RecordOf(row), &first_free_, sizeof(first_free_));
  first_free_ = row + 1;
}

ShardRows UnboundedTable::Export(int virtual_shard) const {
  const Shard& shard =
      shards_[static_cast<std::size_t>(places_[static_cast<std::size_t>(virtual_shard)])];
  std::vector<RowIndex::Entry> entries;
  entries.reserve(shard.index.size());
  shard.index.ForEach([&](const RowIndex::Entry& entry) { entries.push_back(entry); });
  ShardRows rows = internal::CollectRows(
      std::move(entries), step_, start_record_.size(),
      [&](std::uint32_t row) { __builtin_prefetch(RecordOf(row)); },
      [&](std::uint32_t row, float* out) {
        std::copy_n(RecordOf(row), start_record_.size(), out);
      });
  rows.sightings.assign(shard.sightings.memory().begin(), shard.sightings.memory().end());
  return rows;
}

void UnboundedTable::set_step(std::int64_t step) {
  // Other updates follow than those that journals and ages were counted with.
  if (step != step_) {
    for (Shard& shard : shards_) shard.journal.Stop();
  }
  step_ = step;
}

UnboundedCut& UnboundedTable::BeginCut() {
  DIME_CHECK(cut_ == nullptr);
  std::vector<UnboundedCut::Place> places;
  for (std::size_t s = 0; s < shards_.size(); ++s) {
    places.push_back({virtual_shards_[s], shards_[s].index.places(), shards_[s].sightings.memory(),
                      shards_[s].journal.Read()});
    shards_[s].journal.Restart();
  }
  const std::span<const float> records(records_, num_touched_ * start_record_.size());
  cut_ = std::make_unique<UnboundedCut>(records, start_record_.size(), directory_,
                                        std::move(places), step_, std::exchange(cut_step_, step_));
  for (Shard& shard : shards_) {
    shard.index.set_cut(&cut_->directory());
    shard.sightings.set_cut(&cut_->directory());
  }
  return *cut_;
}

void UnboundedTable::EndCut() {
  for (Shard& shard : shards_) {
    shard.index.set_cut(nullptr);
    shard.sightings.set_cut(nullptr);
  }
  cut_.reset();
}

void UnboundedTable::Import(int virtual_shard, const ShardRows& rows) {
  Shard& shard =
      shards_[static_cast<std::size_t>(places_[static_cast<std::size_t>(virtual_shard)])];
  shard.journal.Stop();
  shard.index.ForEach([&](const RowIndex::Entry& entry) { GiveBack(entry.number - 1); });
  shard.index.Clear();
  shard.sightings.PutBack(std::span(rows.sightings));

  std::vector<std::size_t> order(rows.ids.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (order.size() > layout_.rows) {
    std::ranges::stable_sort(order, std::greater<>(),
                             [&](std::size_t i) { return rows.last_updates[i]; });
    statistics_.displaced += static_cast<std::int64_t>(order.size() - layout_.rows);
    order.resize(layout_.rows);
  }
  for (const std::size_t i : order) {
    const std::uint64_t hash = internal::HashOfId(rows.ids[i]);
    DIME_CHECK(internal::VirtualShardOf(hash) == static_cast<std::size_t>(virtual_shard));
    const std::uint32_t row = AddRow(rows.last_updates[i], hash);
    if (row == kNoRow) {
      ++statistics_.refused;
      continue;
    }
    std::copy_n(rows.records.data() + i * start_record_.size(), start_record_.size(),
                RecordOf(row));
  }
}

}  // namespace dime::ps
