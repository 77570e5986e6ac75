// worker/input/example_block.h - encoded examples as bytes, to be read back by the same process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "models/batch.h"
#include "runtime/base/status.h"

namespace dime::worker {

// The examples of `batch`. Ids that fit in 32 bits take no more.
[[nodiscard]] std::string EncodeExamples(const models::Batch& batch);

// What EncodeExamples() has made. kDataLoss when the bytes have changed since. `batch` keeps its
// memory.
absl::Status DecodeExamples(std::string_view bytes, models::Batch* batch);

// What the examples [first, end) take in memory: the sum of what each of them takes.
[[nodiscard]] std::uint64_t MemoryBytes(const models::Batch& batch, std::int64_t first,
                                        std::int64_t end);
[[nodiscard]] inline std::uint64_t MemoryBytes(const models::Batch& batch) {
  return MemoryBytes(batch, 0, batch.num_examples);
}

// How large a block is.
struct BlockSize {
  std::int64_t num_examples = 0;
  std::uint64_t memory_bytes = 0;
};

}  // namespace dime::worker
