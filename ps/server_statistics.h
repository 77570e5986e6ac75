// ps/server_statistics.h - what a parameter server has done so far.
#pragma once

#include <cstdint>
#include <vector>

#include "ps/unbounded_table.h"

namespace dime::ps {

// Counts of a sample, scaled up.
struct HotRow {
  std::uint32_t table = 0;
  std::int64_t id = 0;
  std::int64_t num_pulls = 0;
};

struct ServerStatistics {
  std::int64_t version = 0;
  std::int64_t num_requests = 0;
  std::int64_t num_rows_pulled = 0;  // Of sparse tables, as those pushed.
  std::int64_t num_rows_pushed = 0;
  UnboundedStatistics unbounded{};  // Of all such tables.
  std::int64_t num_bytes_in = 0;
  std::int64_t num_bytes_out = 0;
  std::int64_t num_waiting = 0;  // Pulls that wait for pushes of others: now, and most at once.
  std::int64_t most_waiting = 0;
  double busy_seconds = 0;
  double seconds = 0;                     // Since it began.
  std::vector<std::int64_t> staleness{};  // As in Shards.
  std::vector<HotRow> hottest{};          // The most pulled rows of all tables, the hottest first.
};

}  // namespace dime::ps
