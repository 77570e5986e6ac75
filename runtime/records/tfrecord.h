// runtime/records/tfrecord.h - TFRecord framing: length, CRC of the length, data, CRC of the data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace dime::records {

// Appends `data` to `out` as one record (16 bytes more than the data).
void AppendRecord(std::string_view data, std::string* out);

// Splits a whole file's bytes into records, views into `file`. Both CRCs are checked. kDataLoss
// names the offset of a damaged or cut-off record.
absl::StatusOr<std::vector<std::string_view>> SplitRecords(std::string_view file);

}  // namespace dime::records
