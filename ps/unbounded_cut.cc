#include "ps/unbounded_cut.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "ps/internal/collect_rows.h"
#include "ps/internal/id_hash.h"
#include "ps/internal/sightings.h"
#include "runtime/base/check.h"

namespace dime::ps {
namespace {

using internal::RowIndex;

// A row is preserved by itself, for it lies beside others by chance, unless it is shorter than what
// the processor fetches.
constexpr std::size_t kLeastRowBlockBytes = 64;
// An entry changes with each update of its row, and hashes are everywhere.
constexpr std::size_t kDirectoryBlockBytes = 256;

}  // namespace

UnboundedCut::UnboundedCut(std::span<const float> records, std::size_t record_floats,
                           std::span<const std::byte> directory, std::vector<Place> places,
                           std::int64_t step, std::int64_t step_before)
    : record_floats_(record_floats),
      rows_per_block_(
          std::max<std::size_t>(1, kLeastRowBlockBytes / (record_floats * sizeof(float)))),
      directory_begin_(directory.data()),
      places_(std::move(places)),
      step_(step),
      step_before_(step_before),
      records_(records.data(), records.size_bytes(),
               rows_per_block_ * record_floats * sizeof(float)),
      directory_(directory.data(), directory.size(), kDirectoryBlockBytes) {}

template <typename T>
std::vector<T> UnboundedCut::TakeDirectory(std::span<const T> piece) {
  std::vector<T> taken(piece.size());
  auto* const out = reinterpret_cast<std::byte*>(taken.data());
  const auto first =
      static_cast<std::size_t>(reinterpret_cast<const std::byte*>(piece.data()) - directory_begin_);
  const std::size_t end = first + piece.size_bytes();
  for (std::size_t at = first; at < end;) {
    const std::size_t block = at / kDirectoryBlockBytes;
    const std::size_t block_end = (block + 1) * kDirectoryBlockBytes;
    const std::size_t count = std::min(block_end, end) - at;
    // The rest of its last block is another piece's.
    directory_.Read(block, /*last=*/block_end <= end, [&](const std::byte* bytes) {
      std::memcpy(out + (at - first), bytes + at % kDirectoryBlockBytes, count);
    });
    at += count;
  }
  return taken;
}

const UnboundedCut::Place& UnboundedCut::Next(int virtual_shard) {
  const auto place = std::ranges::find(places_, virtual_shard, &Place::virtual_shard);
  // In memory's order: what two shards share of a block goes with the second.
  DIME_CHECK(place != places_.end() && place - places_.begin() >= num_read_);
  num_read_ = place - places_.begin() + 1;
  return *place;
}

std::vector<RowIndex::Entry> UnboundedCut::TakeEntries(const Place& place) {
  std::vector<RowIndex::Entry> entries = TakeDirectory(place.entries);
  std::erase_if(entries, [](const RowIndex::Entry& entry) { return entry.number == 0; });
  return entries;
}

ShardRows UnboundedCut::TakeRows(std::vector<RowIndex::Entry> entries) {
  return internal::CollectRows(
      std::move(entries), step_, record_floats_, [&](std::uint32_t row) { PrefetchRow(row); },
      [&](std::uint32_t row, float* out) {
        records_.Read(
            row / rows_per_block_, /*last=*/rows_per_block_ == 1, [&](const std::byte* block) {
              std::memcpy(out, block + row % rows_per_block_ * record_floats_ * sizeof(float),
                          record_floats_ * sizeof(float));
            });
      });
}

ShardRows UnboundedCut::Read(int virtual_shard) {
  const Place& place = Next(virtual_shard);
  ShardRows rows = TakeRows(TakeEntries(place));
  const std::vector<std::uint64_t> sightings = TakeDirectory(place.sightings);
  rows.sightings.assign(sightings.begin(), sightings.end());
  return rows;
}

SavedShard UnboundedCut::ReadChanges(int virtual_shard) {
  constexpr std::size_t kSetSize = internal::Sightings::kSetSize;
  const Place& place = Next(virtual_shard);
  std::vector<RowIndex::Entry> entries = TakeEntries(place);
  const std::vector<std::uint64_t> sightings = TakeDirectory(place.sightings);
  const auto is_old = [&](const RowIndex::Entry& entry) {
    return internal::LastUpdate(entry, step_) <= step_before_;
  };
  SavedShard saved;
  saved.is_whole = !place.changes.is_complete || static_cast<std::size_t>(std::ranges::count_if(
                                                     entries, is_old)) < entries.size() / 2;
  if (saved.is_whole) {
    saved.rows = TakeRows(std::move(entries));
    saved.rows.sightings.assign(sightings.begin(), sightings.end());
    return saved;
  }
  std::erase_if(entries, is_old);
  saved.rows = TakeRows(std::move(entries));
  for (const std::size_t set : place.changes.changed_sets) {
    saved.sighting_sets.push_back(static_cast<std::int64_t>(set));
    const auto first = sightings.begin() + static_cast<std::ptrdiff_t>(set * kSetSize);
    saved.rows.sightings.insert(saved.rows.sightings.end(), first,
                                first + static_cast<std::ptrdiff_t>(kSetSize));
  }
  std::vector<std::int64_t> went;
  for (const std::uint64_t hash : place.changes.erased) went.push_back(internal::IdOfHash(hash));
  std::ranges::sort(went);
  went.erase(std::unique(went.begin(), went.end()), went.end());
  std::ranges::set_difference(went, saved.rows.ids, std::back_inserter(saved.erased));
  return saved;
}

}  // namespace dime::ps
