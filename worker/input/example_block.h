// worker/input/example_block.h - encoded examples as bytes, to be read back by the same process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "models/batch.h"
#include "models/record_encoder.h"
#include "runtime/base/status.h"

namespace dime::worker {

// The examples of `batch`. Ids that fit in 32 bits take no more.
[[nodiscard]] std::string EncodeExamples(const models::Batch& batch);

// What EncodeExamples() has made. kDataLoss when the bytes have changed since. `batch` keeps its
// memory.
absl::Status DecodeExamples(std::string_view bytes, models::Batch* batch);

// What the examples take in memory.
[[nodiscard]] std::uint64_t MemoryBytes(const models::Batch& batch);
// What one takes that has one id a column.
[[nodiscard]] std::uint64_t BytesPerExample(const models::Schema& schema);

}  // namespace dime::worker
