// ps/snapshot.h - tables to and from a checkpoint bundle, under TensorFlow's names.
//
// A table is stored as the variable `name` and one variable `name/<prefix><slot>` for each
// optimizer slot, all of the table's shape; `global_step` stands beside them, and so do Adam's
// powers of its betas, which follow from it. part_save.h writes them while training goes on.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ops/table.h"
#include "ps/row_access.h"
#include "ps/table.h"
#include "ps/unbounded_table.h"
#include "runtime/base/status.h"
#include "runtime/checkpoint/bundle.h"

namespace dime::ps {

// Which parts of the tables a bundle holds: a training checkpoint has slots, an export has none.
enum class SnapshotParts { kWeightsAndSlots, kWeights };

// Of unbounded tables an export alone is written here: PartSave writes the rest.
absl::Status WriteSnapshot(RowAccess& rows, std::int64_t global_step, SnapshotParts parts,
                           checkpoint::BundleWriter& writer);

// `unbounded`: null for fixed tables; none stands for none. Fills tables, or the parts of them that
// are here, from a bundle that any number of processes have written, and returns the global step. A
// few rows are in memory at a time. kDataLoss for damage, after which the tables hold anything;
// call DescribeMismatch() first for names and shapes.
absl::StatusOr<std::int64_t> ReadSnapshot(checkpoint::BundleReader& reader, SnapshotParts parts,
                                          std::span<Table* const> tables,
                                          std::span<UnboundedTable* const> unbounded = {});

// One line for every variable of `specs` that the bundle lacks or has in another shape or type, and
// for every variable that only the bundle has. Empty: they fit.
[[nodiscard]] std::vector<std::string> DescribeMismatch(std::span<const ops::TableSpec> specs,
                                                        SnapshotParts parts,
                                                        const checkpoint::BundleReader& reader);

}  // namespace dime::ps
