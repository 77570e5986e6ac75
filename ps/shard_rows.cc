#include "ps/shard_rows.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "ops/optimizer.h"
#include "ps/internal/id_hash.h"
#include "ps/internal/sightings.h"

namespace dime::ps {
namespace {

bool IsAscending(const std::vector<std::int64_t>& numbers) {
  return std::ranges::adjacent_find(numbers, std::ranges::greater_equal()) == numbers.end() &&
         (numbers.empty() || numbers.front() >= 0);
}

// Appends row `at` of `from`.
void AppendRow(const ShardRows& from, std::size_t at, std::size_t record_floats, ShardRows* to) {
  to->ids.push_back(from.ids[at]);
  to->last_updates.push_back(from.last_updates[at]);
  const auto record = from.records.begin() + static_cast<std::ptrdiff_t>(at * record_floats);
  to->records.insert(to->records.end(), record,
                     record + static_cast<std::ptrdiff_t>(record_floats));
}

}  // namespace

absl::Status CheckShard(const ops::TableSpec& spec, int virtual_shard, const ShardRows& rows) {
  const auto record_floats =
      static_cast<std::size_t>(spec.dim * (1 + ops::NumSlots(spec.optimizer.kind)));
  const std::size_t count = rows.ids.size();
  bool is_good = rows.last_updates.size() == count && rows.records.size() == count * record_floats;
  std::int64_t last_id = -1;
  for (const std::int64_t id : rows.ids) {
    is_good =
        is_good && id > last_id && id < ops::UnboundedRows::kNumIds &&
        internal::VirtualShardOf(internal::HashOfId(id)) == static_cast<std::size_t>(virtual_shard);
    last_id = id;
  }
  if (!is_good) {
    return base::DataLoss("shard {} of table '{}': ids, ages and values do not fit together",
                          virtual_shard, spec.name);
  }
  const auto bad = std::ranges::find_if(
      rows.last_updates, [&](std::int64_t update) { return update < 0 || update > rows.step; });
  if (bad == rows.last_updates.end()) return absl::OkStatus();
  return base::DataLoss(
      "shard {} of table '{}': the row of id {} was updated in step {}, but there were {} steps",
      virtual_shard, spec.name, rows.ids[static_cast<std::size_t>(bad - rows.last_updates.begin())],
      *bad, rows.step);
}

absl::Status ApplyChanges(const ops::TableSpec& spec, int virtual_shard, const SavedShard& changes,
                          ShardRows* rows) {
  constexpr auto kSetSize = static_cast<std::int64_t>(internal::Sightings::kSetSize);
  DIME_RETURN_IF_ERROR(CheckShard(spec, virtual_shard, changes.rows));
  const std::vector<std::int64_t>& sets = changes.sighting_sets;
  const bool sets_fit = IsAscending(sets) &&
                        std::ssize(changes.rows.sightings) == std::ssize(sets) * kSetSize &&
                        (sets.empty() || sets.back() < std::ssize(rows->sightings) / kSetSize);
  if (!sets_fit || !IsAscending(changes.erased)) {
    return base::DataLoss("shard {} of table '{}': its changes do not fit to what it was before",
                          virtual_shard, spec.name);
  }
  for (std::size_t i = 0; i < sets.size(); ++i) {
    std::copy_n(changes.rows.sightings.begin() + static_cast<std::int64_t>(i) * kSetSize, kSetSize,
                rows->sightings.begin() + sets[i] * kSetSize);
  }

  const auto record_floats =
      static_cast<std::size_t>(spec.dim * (1 + ops::NumSlots(spec.optimizer.kind)));
  ShardRows merged = {.step = changes.rows.step};
  const std::size_t most_rows = rows->ids.size() + changes.rows.ids.size();
  merged.ids.reserve(most_rows);
  merged.last_updates.reserve(most_rows);
  merged.records.reserve(most_rows * record_floats);
  std::size_t next = 0;  // Of the changed rows.
  auto erased = changes.erased.begin();
  for (std::size_t i = 0; i < rows->ids.size(); ++i) {
    const std::int64_t id = rows->ids[i];
    for (; next < changes.rows.ids.size() && changes.rows.ids[next] < id; ++next) {
      AppendRow(changes.rows, next, record_floats, &merged);
    }
    erased = std::find_if(erased, changes.erased.end(), [id](std::int64_t e) { return e >= id; });
    const bool is_erased = erased != changes.erased.end() && *erased == id;
    const bool is_changed = next < changes.rows.ids.size() && changes.rows.ids[next] == id;
    if (!is_erased && !is_changed) AppendRow(*rows, i, record_floats, &merged);
  }
  for (; next < changes.rows.ids.size(); ++next) {
    AppendRow(changes.rows, next, record_floats, &merged);
  }
  merged.sightings = std::move(rows->sightings);
  *rows = std::move(merged);
  return absl::OkStatus();
}

}  // namespace dime::ps
