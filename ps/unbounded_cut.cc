#include "ps/unbounded_cut.h"

#include <algorithm>
#include <cstring>

#include "ps/internal/collect_rows.h"
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
                           std::int64_t step)
    : record_floats_(record_floats),
      rows_per_block_(
          std::max<std::size_t>(1, kLeastRowBlockBytes / (record_floats * sizeof(float)))),
      directory_begin_(directory.data()),
      places_(std::move(places)),
      step_(step),
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

ShardRows UnboundedCut::Read(int virtual_shard) {
  const auto place = std::ranges::find(places_, virtual_shard, &Place::virtual_shard);
  // In memory's order: what two shards share of a block goes with the second.
  DIME_CHECK(place != places_.end() && place - places_.begin() >= num_read_);
  num_read_ = place - places_.begin() + 1;
  std::vector<RowIndex::Entry> entries = TakeDirectory(place->entries);
  std::erase_if(entries, [](const RowIndex::Entry& entry) { return entry.number == 0; });
  ShardRows rows = internal::CollectRows(
      std::move(entries), step_, record_floats_, [&](std::uint32_t row) { PrefetchRow(row); },
      [&](std::uint32_t row, float* out) {
        records_.Read(
            row / rows_per_block_, /*last=*/rows_per_block_ == 1, [&](const std::byte* block) {
              std::memcpy(out, block + row % rows_per_block_ * record_floats_ * sizeof(float),
                          record_floats_ * sizeof(float));
            });
      });
  const std::vector<std::uint64_t> sightings = TakeDirectory(place->sightings);
  rows.sightings.assign(sightings.begin(), sightings.end());
  return rows;
}

}  // namespace dime::ps
