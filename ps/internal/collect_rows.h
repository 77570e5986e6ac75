// ps/internal/collect_rows.h - rows of a virtual shard, in the order of their ids.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ps/internal/id_hash.h"
#include "ps/internal/row_index.h"
#include "ps/shard_rows.h"

namespace dime::ps::internal {

// The step of an entry's last update, seen from step `step`.
[[nodiscard]] inline std::int64_t LastUpdate(const RowIndex::Entry& entry, std::int64_t step) {
  return step - std::int64_t{static_cast<std::uint32_t>(step) - entry.last_update};
}

// The rows of these entries, without sightings. copy_record(row, out) fills in a record;
// prefetch(row) is called some records before.
template <typename Prefetch, typename CopyRecord>
ShardRows CollectRows(std::vector<RowIndex::Entry> entries, std::int64_t step,
                      std::size_t record_floats, const Prefetch& prefetch,
                      const CopyRecord& copy_record) {
  constexpr std::size_t kPrefetchRows = 16;
  for (RowIndex::Entry& entry : entries) {
    entry.hash = static_cast<std::uint64_t>(IdOfHash(entry.hash));
  }
  std::ranges::sort(entries, {}, &RowIndex::Entry::hash);  // Ids are below 2^63.
  ShardRows rows;
  rows.step = step;
  rows.records.resize(entries.size() * record_floats);
  float* record = rows.records.data();
  for (std::size_t i = 0; i < entries.size(); ++i, record += record_floats) {
    if (i + kPrefetchRows < entries.size()) prefetch(entries[i + kPrefetchRows].number - 1);
    rows.ids.push_back(static_cast<std::int64_t>(entries[i].hash));
    rows.last_updates.push_back(LastUpdate(entries[i], step));
    copy_record(entries[i].number - 1, record);
  }
  return rows;
}

}  // namespace dime::ps::internal
