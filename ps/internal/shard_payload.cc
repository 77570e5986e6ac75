#include "ps/internal/shard_payload.h"

namespace dime::ps::internal {

absl::StatusOr<ShardRows> TakeShard(PayloadReader& reader, std::uint64_t num_rows,
                                    std::uint64_t num_sightings, std::size_t record_floats) {
  DIME_ASSIGN_OR_RETURN(const auto ids, reader.Take<std::int64_t>(num_rows));
  DIME_ASSIGN_OR_RETURN(const auto last_updates, reader.Take<std::int64_t>(num_rows));
  DIME_ASSIGN_OR_RETURN(const auto sightings, reader.Take<std::int64_t>(num_sightings));
  DIME_ASSIGN_OR_RETURN(const auto records, reader.Take<float>(num_rows * record_floats));
  DIME_RETURN_IF_ERROR(reader.ExpectEnd());
  return ShardRows{.ids = {ids.begin(), ids.end()},
                   .last_updates = {last_updates.begin(), last_updates.end()},
                   .records = {records.begin(), records.end()},
                   .sightings = {sightings.begin(), sightings.end()}};
}

}  // namespace dime::ps::internal
