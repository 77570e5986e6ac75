// ps/server_control.h - what is said to all parameter servers besides a step's rows and gradients.
//
// Threads: one at a time, and none while an exchange of the same connections is under way. Errors:
// those of net::Channel, which name the server; and what a server answers with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/table.h"
#include "ps/internal/server_links.h"
#include "ps/server_statistics.h"
#include "ps/sharding.h"
#include "ps/unbounded_table.h"
#include "ps/wire.h"
#include "runtime/base/status.h"

namespace dime::ps {

class ServerControl {
 public:
  // All of them outlive this object.
  ServerControl(internal::ServerLinks& links, std::span<const ops::TableSpec> specs,
                const Sharding& sharding)
      : links_(links), specs_(specs), sharding_(sharding) {}

  // The master's: makes all servers' rows; begins training.
  absl::Status Prepare(const JobStart& start);
  absl::Status Start(const JobStart& start);

  // This replica pushes no more.
  absl::Status Leave();
  // Of each server: version, counts and staleness.
  absl::StatusOr<std::vector<ServerStatistics>> ReadStatistics();

  // Reads rows [first, first + count) of a table whole, from whichever servers have them: count *
  // dim floats of the weights (part 0) or of slot part - 1.
  absl::Status ReadRows(std::size_t table, int part, std::int64_t first, std::int64_t count,
                        std::span<float> out);
  absl::StatusOr<ShardRows> ReadShard(std::size_t table, int virtual_shard);

 private:
  // f(server, request) for each run of rows that follow each other on one server, of a size that
  // fits into a message.
  template <typename F>
  absl::Status ForEachRun(std::size_t table, int part, std::int64_t first, std::int64_t count,
                          const F& f);
  absl::Status ReadRun(std::size_t server, const RowsRequest& request, std::span<float> out);

  internal::ServerLinks& links_;
  std::span<const ops::TableSpec> specs_;
  const Sharding& sharding_;
};

}  // namespace dime::ps
