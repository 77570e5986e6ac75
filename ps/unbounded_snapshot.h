// ps/unbounded_snapshot.h - unbounded tables to and from a checkpoint bundle.
//
// A checkpoint has, of each virtual shard S of a table T, the tensors T/shard_S/ids, last_updates
// (the step of each row's last update), records ([rows, weights and slots]) and sightings. Where it
// has changes alone (checkpoint_chain.h), these are of the rows and of the sets of sightings that
// changed, and beside them are erased (ids), sighting_sets (numbers) and the scalar base_crc, the
// fingerprint of what the base has of the shard. An export has T/ids, ascending, and T, a row for
// each; behind them, for every other id, the largest number and a row of zeros.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ops/table.h"
#include "ps/checkpoint_chain.h"
#include "ps/row_access.h"
#include "ps/unbounded_table.h"
#include "runtime/base/status.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/bundle_part.h"

namespace dime::ps {

// T/shard_S, which the names of its tensors begin with.
[[nodiscard]] std::string ShardName(const ops::TableSpec& spec, int virtual_shard);

// Writes a shard, or its changes since what has the fingerprint `base`. Returns its own: a CRC-32C
// of those of its tensors.
absl::StatusOr<std::int64_t> WriteShard(const ops::TableSpec& spec, int virtual_shard,
                                        const SavedShard& shard, std::int64_t base,
                                        checkpoint::BundlePartWriter& writer);
// Fills the table's shards with what they were after `step` steps, at the chain's newest
// checkpoint; one at a time is in memory besides.
absl::Status ReadShards(CheckpointChain& chain, std::int64_t step, UnboundedTable& table);

// What one checkpoint has of a shard; rows.step is not set.
absl::StatusOr<SavedShard> ReadSavedShard(checkpoint::BundleReader& reader,
                                          const ops::TableSpec& spec, int virtual_shard);
// Its fingerprint, by the index alone; and that of what it is to be added to.
absl::StatusOr<std::int64_t> FingerprintOf(const checkpoint::BundleReader& reader,
                                           std::string_view shard_name);
absl::StatusOr<std::int64_t> ReadBaseFingerprint(checkpoint::BundleReader& reader,
                                                 std::string_view shard_name);
// The names of those shards of which the checkpoint has no more than changes.
[[nodiscard]] std::vector<std::string> ShardsWithChangesAlone(
    const checkpoint::BundleReader& reader);

// All weights are in memory at once.
absl::Status WriteExportedRows(RowAccess& rows, std::size_t table,
                               checkpoint::BundleWriter& writer);

// Lines as of DescribeMismatch(), for what the bundle lacks of the table.
[[nodiscard]] std::vector<std::string> DescribeMissingShards(
    const ops::TableSpec& spec, const checkpoint::BundleReader& reader);
// Whether a checkpoint's tensor is one of the table's.
[[nodiscard]] bool IsOfShards(const ops::TableSpec& spec, std::string_view tensor);

}  // namespace dime::ps
