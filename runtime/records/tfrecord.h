// runtime/records/tfrecord.h - TFRecord framing: length, CRC of the length, data, CRC of the data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace dime::records {

// What stands around a record's data.
inline constexpr std::size_t kRecordHeaderBytes = 12;
inline constexpr std::size_t kRecordFrameBytes = kRecordHeaderBytes + 4;

// Appends `data` to `out` as one record (kRecordFrameBytes more than the data).
void AppendRecord(std::string_view data, std::string* out);

// Splits a whole file's bytes into records, views into `file`. Both CRCs are checked. kDataLoss
// names the offset of a damaged or cut-off record.
absl::StatusOr<std::vector<std::string_view>> SplitRecords(std::string_view file);

// --- A record at a time, for files that are not in memory as a whole. Messages speak of "its
// length" and "its data"; which record it is the caller has to say.

// Whether a file that starts like this is one of records. By chance one of 2^32 others is taken for
// it.
[[nodiscard]] bool LooksLikeRecords(std::string_view start);

// How many bytes the record takes that `bytes` starts with, with its frame. None: its header is not
// all there. kDataLoss: the header is damaged.
absl::StatusOr<std::optional<std::uint64_t>> FramedSize(std::string_view bytes);

// The data of a whole record with its frame, whose header FramedSize() has checked. kDataLoss: they
// are damaged.
absl::StatusOr<std::string_view> FramedData(std::string_view record);

}  // namespace dime::records
