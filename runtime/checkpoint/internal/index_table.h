// runtime/checkpoint/internal/index_table.h - the index file of a tensor bundle as bytes: a sorted
// table of keys and values in LevelDB's format.
//
// Written with LevelDB's own builder, read here: LevelDB's reader trusts a block whose CRC is right
// (it asserts on it and adds its lengths without a check), and a checkpoint may come from anywhere.
// Nothing in a table goes unchecked: every byte belongs to a block with a CRC or to the footer,
// which must be exactly what a writer would have written. So one flipped bit is always found.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace dime::checkpoint::internal {

using IndexEntries = std::map<std::string, std::string, std::less<>>;

// Names and values of a whole table together may not take more than this.
inline constexpr std::size_t kMaxIndexBytes = std::size_t{256} << 20;

[[nodiscard]] std::string BuildIndexTable(const IndexEntries& entries);

// Takes uncompressed and snappy blocks. kDataLoss says which part is damaged, and how.
absl::StatusOr<IndexEntries> ParseIndexTable(std::string_view file);

}  // namespace dime::checkpoint::internal
