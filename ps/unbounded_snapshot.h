// ps/unbounded_snapshot.h - unbounded tables to and from a checkpoint bundle.
//
// A checkpoint has, of each virtual shard S of a table T, the tensors T/shard_S/ids, last_updates
// (the step of each row's last update), records ([rows, weights and slots]) and sightings. An
// export has T/ids, ascending, and T, a row for each; behind them, for every other id, the largest
// number and a row of zeros.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ops/table.h"
#include "ps/row_access.h"
#include "ps/unbounded_table.h"
#include "runtime/base/status.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/bundle_part.h"

namespace dime::ps {

// Writes a shard whole.
absl::Status WriteShard(const ops::TableSpec& spec, int virtual_shard, const ShardRows& rows,
                        checkpoint::BundlePartWriter& writer);
// Fills the table's shards; one at a time is in memory besides.
absl::Status ReadShards(checkpoint::BundleReader& reader, UnboundedTable& table);

// All weights are in memory at once.
absl::Status WriteExportedRows(RowAccess& rows, std::size_t table,
                               checkpoint::BundleWriter& writer);

// Lines as of DescribeMismatch(), for what the bundle lacks of the table.
[[nodiscard]] std::vector<std::string> DescribeMissingShards(
    const ops::TableSpec& spec, const checkpoint::BundleReader& reader);
// Whether a checkpoint's tensor is one of the table's.
[[nodiscard]] bool IsOfShards(const ops::TableSpec& spec, std::string_view tensor);

}  // namespace dime::ps
