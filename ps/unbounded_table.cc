#include "ps/unbounded_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <utility>

#include "ops/optimizer.h"
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
constexpr std::size_t kFewestRows = 8;       // Of a virtual shard.
// Rows among which the oldest is looked for: the more, the nearer to the oldest of all.
constexpr std::size_t kCandidates = 16;

constexpr std::size_t RoundUp(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

constexpr std::size_t IndexBytes(int bits) {
  return RoundUp(RowIndex::EntriesFor(bits) * sizeof(RowIndex::Entry), kLineBytes);
}

void PrefetchRecord(const char* record, std::size_t size) {
  constexpr std::size_t kMostBytes = 4 * kLineBytes;  // The processor goes on by itself.
  for (std::size_t at = 0; at < std::min(size, kMostBytes); at += kLineBytes) {
    __builtin_prefetch(record + at, 1);
  }
}

}  // namespace

absl::StatusOr<UnboundedTable::Layout> UnboundedTable::LayOut(const ops::TableSpec& spec) {
  const auto most_bytes = static_cast<std::size_t>(spec.unbounded->max_bytes);
  const auto dim = static_cast<std::size_t>(spec.dim);
  const auto floats_per_weight = static_cast<std::size_t>(1 + ops::NumSlots(spec.optimizer.kind));
  Layout layout;
  layout.shard_bytes = most_bytes / kVirtualShards / kPageBytes * kPageBytes;
  layout.record_bytes = RoundUp(sizeof(Head) + dim * floats_per_weight * sizeof(float), 8);
  if (spec.unbounded->admit_after > 1 && layout.shard_bytes > 0) {
    const std::size_t share = layout.shard_bytes / kSightingsShare / kLineBytes;
    layout.sightings = std::bit_floor(std::max<std::size_t>(share, 1)) * Sightings::kSetSize;
  }
  const std::size_t sightings_bytes = layout.sightings * sizeof(std::uint64_t);
  for (int bits = RowIndex::kFewestBits; bits <= RowIndex::kMostBits; ++bits) {
    const std::size_t taken = sightings_bytes + IndexBytes(bits) + kLineBytes;
    if (taken >= layout.shard_bytes) break;
    const std::size_t rows =
        std::min(RowIndex::RowsFor(bits), (layout.shard_bytes - taken) / layout.record_bytes);
    if (rows <= layout.rows) continue;
    layout.rows = rows;
    layout.index_bits = bits;
  }
  layout.rows = std::min<std::size_t>(layout.rows, RowIndex::kNoRow / kVirtualShards - 1);
  if (layout.rows >= kFewestRows) return layout;
  const std::size_t least = RoundUp(2 * kFewestRows * layout.record_bytes + 512, kPageBytes);
  return base::InvalidArgument(
      "table '{}' has at most {} bytes, which are too few for rows of {} bytes; allow {} or more",
      spec.name, most_bytes, layout.record_bytes, least * kVirtualShards);
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
      seed_(seed),
      start_record_(internal::StartRecord(spec)),
      memory_(memory),
      memory_bytes_(memory_bytes) {
  places_.fill(-1);
  char* next = memory;
  for (const int virtual_shard : virtual_shards_) {
    places_[static_cast<std::size_t>(virtual_shard)] = static_cast<std::int16_t>(shards_.size());
    auto* const entries = reinterpret_cast<RowIndex::Entry*>(next);
    next += IndexBytes(layout.index_bits);
    auto* const sightings = reinterpret_cast<std::uint64_t*>(next);
    next += layout.sightings * sizeof(std::uint64_t);
    shards_.push_back(
        {RowIndex(entries, layout.index_bits), Sightings({sightings, layout.sightings})});
  }
  records_ = next;
  DIME_CHECK(layout.rows * shards_.size() * layout.record_bytes <=
             memory_bytes - static_cast<std::size_t>(next - memory));
}

UnboundedTable::~UnboundedTable() {
  if (memory_ != nullptr) internal::UnmapMemory(memory_, memory_bytes_);
}

bool UnboundedTable::HasIds(std::span<const std::int64_t> ids) const {
  return std::ranges::all_of(ids, [&](std::int64_t id) {
    return id >= 0 && places_[internal::VirtualShardOf(internal::HashOfId(id))] >= 0;
  });
}

bool UnboundedTable::IsExpired(const Head& head, std::int64_t step) const {
  const std::int64_t limit = spec_.unbounded->evict_after_steps;
  return limit > 0 && static_cast<std::uint32_t>(step) - head.last_update > limit;
}

void UnboundedTable::LookUp(std::span<const std::int64_t> ids,
                            std::array<Looked, kBlock>& looked) const {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    looked[i].hash = internal::HashOfId(ids[i]);
    ShardOf(looked[i].hash).index.Prefetch(internal::TagOf(looked[i].hash));
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Shard& shard = ShardOf(looked[i].hash);
    looked[i].row =
        shard.index.Find(internal::TagOf(looked[i].hash), [](std::uint32_t) { return true; });
    if (looked[i].row != RowIndex::kNoRow) {
      PrefetchRecord(records_ + looked[i].row * layout_.record_bytes, layout_.record_bytes);
    } else {
      shard.sightings.Prefetch(looked[i].hash);
    }
  }
}

std::uint32_t UnboundedTable::Resolve(std::int64_t id, const Looked& looked) const {
  if (looked.row == RowIndex::kNoRow) return RowIndex::kNoRow;
  if (HeadOf(looked.row).id == static_cast<std::uint64_t>(id)) return looked.row;
  return Find(id, looked.hash);
}

std::uint32_t UnboundedTable::Find(std::int64_t id, std::uint64_t hash) const {
  return ShardOf(hash).index.Find(internal::TagOf(hash), [&](std::uint32_t row) {
    return HeadOf(row).id == static_cast<std::uint64_t>(id);
  });
}

void UnboundedTable::Gather(std::span<const std::int64_t> ids, std::span<float> out) const {
  const auto dim = static_cast<std::size_t>(spec_.dim);
  DIME_CHECK(out.size() == ids.size() * dim);
  std::array<Looked, kBlock> looked;
  float* target = out.data();
  while (!ids.empty()) {
    const auto block = ids.first(std::min(ids.size(), kBlock));
    LookUp(block, looked);
    for (std::size_t i = 0; i < block.size(); ++i, target += dim) {
      const std::uint32_t row = Resolve(block[i], looked[i]);
      if (row != RowIndex::kNoRow && !IsExpired(HeadOf(row), step_)) {
        std::memcpy(target, FloatsOf(row), dim * sizeof(float));
      } else {
        std::fill_n(target, dim, 0.0f);
        internal::DrawWeights(spec_, seed_, block[i], target);
      }
    }
    ids = ids.subspan(block.size());
  }
}

void UnboundedTable::Update(std::int64_t step, std::span<const std::int64_t> ids,
                            std::span<const float> gradients) {
  const auto dim = static_cast<std::size_t>(spec_.dim);
  DIME_CHECK(gradients.size() == ids.size() * dim);
  std::array<Looked, kBlock> looked;
  std::array<float*, kBlock> records;
  while (!ids.empty()) {
    const auto block = ids.first(std::min(ids.size(), kBlock));
    LookUp(block, looked);
    for (std::size_t i = 0; i < block.size(); ++i) {
      records[i] = RecordToUpdate(step, block[i], looked[i]);
    }
    ops::UpdateRowsAt(spec_.optimizer, step, spec_.dim, std::span(records).first(block.size()),
                      gradients.data());
    gradients = gradients.subspan(block.size() * dim);
    ids = ids.subspan(block.size());
  }
  step_ = step;
  Sweep(step);
}

float* UnboundedTable::RecordToUpdate(std::int64_t step, std::int64_t id, const Looked& looked) {
  std::uint32_t row = Resolve(id, looked);
  // What the gradient was computed with is what ages were before this update.
  if (row != RowIndex::kNoRow && IsExpired(HeadOf(row), step_)) {
    Remove(ShardOf(looked.hash), row);
    ++statistics_.expired;
    row = RowIndex::kNoRow;
  }
  if (row == RowIndex::kNoRow) row = Admit(step, id, looked.hash);
  if (row == RowIndex::kNoRow) {
    ++statistics_.dropped;
    return nullptr;
  }
  HeadOf(row).last_update = static_cast<std::uint32_t>(step);
  return FloatsOf(row);
}

std::uint32_t UnboundedTable::Admit(std::int64_t step, std::int64_t id, std::uint64_t hash) {
  const auto needed = static_cast<std::uint64_t>(spec_.unbounded->admit_after);
  Shard& shard = ShardOf(hash);
  if (needed > 1 && shard.sightings.Count(hash) < needed) return RowIndex::kNoRow;
  const std::uint32_t row = AddRow(step, id, hash);
  if (row == RowIndex::kNoRow) {
    ++statistics_.refused;
    return row;
  }
  if (needed > 1) shard.sightings.Forget(hash);
  float* const floats = std::ranges::copy(start_record_, FloatsOf(row)).out - start_record_.size();
  internal::DrawWeights(spec_, seed_, id, floats);
  ++statistics_.admitted;
  return row;
}

std::uint32_t UnboundedTable::AddRow(std::int64_t step, std::int64_t id, std::uint64_t hash) {
  Shard& shard = ShardOf(hash);
  if (shard.index.size() >= layout_.rows && !MakeRoom(step, hash)) return RowIndex::kNoRow;
  const std::uint32_t row = TakeRecord();
  const bool has_place = shard.index.Insert(internal::TagOf(hash), row, [&](std::uint32_t other) {
    return HeadOf(other).id < static_cast<std::uint64_t>(id);
  });
  if (!has_place) {
    GiveBack(row);
    return RowIndex::kNoRow;
  }
  HeadOf(row) = {.id = static_cast<std::uint64_t>(id),
                 .last_update = static_cast<std::uint32_t>(step)};
  ++statistics_.rows;
  return row;
}

bool UnboundedTable::MakeRoom(std::int64_t step, std::uint64_t hash) {
  Shard& shard = ShardOf(hash);
  std::array<std::uint32_t, kCandidates> rows;
  const std::size_t count = shard.index.Sample(internal::TagOf(hash), rows);
  for (std::size_t i = 0; i < count; ++i) __builtin_prefetch(&HeadOf(rows[i]));
  std::uint32_t oldest = RowIndex::kNoRow;
  std::uint32_t age = 0;  // A row of this step is none to go.
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t its_age = static_cast<std::uint32_t>(step) - HeadOf(rows[i]).last_update;
    if (its_age <= age) continue;
    age = its_age;
    oldest = rows[i];
  }
  if (oldest == RowIndex::kNoRow) return false;
  Remove(shard, oldest);
  ++statistics_.displaced;
  return true;
}

void UnboundedTable::Remove(Shard& shard, std::uint32_t row) {
  const auto id = static_cast<std::int64_t>(HeadOf(row).id);
  shard.index.Erase(internal::TagOf(internal::HashOfId(id)), row);
  GiveBack(row);
  --statistics_.rows;
}

// One shard a step, so that all have had their turn after kVirtualShards steps; of a shard so small
// a part that it is gone through about twice in the time that rows may stay.
void UnboundedTable::Sweep(std::int64_t step) {
  const std::int64_t limit = spec_.unbounded->evict_after_steps;
  const auto num_shards = static_cast<std::int64_t>(kVirtualShards);
  const std::int16_t place = places_[static_cast<std::size_t>(step % num_shards)];
  if (limit == 0 || place < 0) return;
  constexpr std::int64_t kMostParts = 4096;
  const std::int64_t parts = std::bit_floor(static_cast<std::uint64_t>(
      std::clamp(limit / (2 * num_shards), std::int64_t{1}, kMostParts)));
  const std::int64_t part = step / num_shards % parts;
  const std::int64_t part_tags = (std::int64_t{1} << 32) / parts;
  Shard& shard = shards_[static_cast<std::size_t>(place)];
  shard.index.EraseIf(static_cast<std::uint32_t>(part * part_tags),
                      static_cast<std::uint32_t>((part + 1) * part_tags - 1),
                      [&](std::uint32_t row) {
                        if (!IsExpired(HeadOf(row), step)) return false;
                        GiveBack(row);
                        --statistics_.rows;
                        ++statistics_.expired;
                        return true;
                      });
}

std::uint32_t UnboundedTable::TakeRecord() {
  if (first_free_ == 0) return num_touched_++;
  const auto row = static_cast<std::uint32_t>(first_free_ - 1);
  first_free_ = HeadOf(row).id & ~kFree;
  return row;
}

void UnboundedTable::GiveBack(std::uint32_t row) {
  HeadOf(row).id = kFree | first_free_;
  first_free_ = std::uint64_t{row} + 1;
}

ShardRows UnboundedTable::Export(int virtual_shard, std::int64_t after) const {
  const auto place = static_cast<std::size_t>(places_[static_cast<std::size_t>(virtual_shard)]);
  const Shard& shard = shards_[place];
  const auto last_update = [&](const Head& head) {
    return step_ - static_cast<std::int64_t>(static_cast<std::uint32_t>(step_) - head.last_update);
  };
  std::vector<std::uint32_t> found;
  found.reserve(shard.index.size());
  shard.index.ForEach([&](std::uint32_t row) {
    const Head& head = HeadOf(row);
    if (last_update(head) > after) found.push_back(row);
  });
  std::ranges::sort(found, {}, [&](std::uint32_t row) { return HeadOf(row).id; });

  ShardRows rows;
  rows.ids.reserve(found.size());
  rows.last_updates.reserve(found.size());
  rows.records.reserve(found.size() * start_record_.size());
  for (const std::uint32_t row : found) {
    rows.ids.push_back(static_cast<std::int64_t>(HeadOf(row).id));
    rows.last_updates.push_back(last_update(HeadOf(row)));
    rows.records.insert(rows.records.end(), FloatsOf(row), FloatsOf(row) + start_record_.size());
  }
  rows.sightings.assign(shard.sightings.memory().begin(), shard.sightings.memory().end());
  return rows;
}

void UnboundedTable::Import(int virtual_shard, const ShardRows& rows) {
  const auto place = static_cast<std::size_t>(places_[static_cast<std::size_t>(virtual_shard)]);
  Shard& shard = shards_[place];
  shard.index.ForEach([&](std::uint32_t row) { GiveBack(row); });
  statistics_.rows -= static_cast<std::int64_t>(shard.index.size());
  shard.index.Clear();
  const std::span<std::uint64_t> sightings = shard.sightings.memory();
  std::ranges::fill(sightings, 0);
  if (sightings.size() == rows.sightings.size()) {
    std::ranges::copy(rows.sightings, sightings.begin());
  }

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
    const std::uint32_t row = AddRow(rows.last_updates[i], rows.ids[i], hash);
    if (row == RowIndex::kNoRow) {
      ++statistics_.refused;
      continue;
    }
    std::copy_n(rows.records.data() + i * start_record_.size(), start_record_.size(),
                FloatsOf(row));
  }
}

}  // namespace dime::ps
