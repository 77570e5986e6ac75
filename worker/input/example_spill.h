// worker/input/example_spill.h - encoded examples in a scratch file, in blocks.
//
// Threads: one writes; once that is over, several may read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/batch.h"
#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"
#include "worker/input/example_block.h"

namespace dime::worker {

class ExampleSpill {
 public:
  static absl::StatusOr<std::unique_ptr<ExampleSpill>> Create(storage::FileSystem& file_system,
                                                              const std::string& directory);

  // Appends a block of one or more examples.
  absl::Status Append(const models::Batch& block);

  // Reads a block back. `buffer` is memory that is kept from call to call.
  absl::Status Read(std::int64_t block, std::string* buffer, models::Batch* examples) const;

  [[nodiscard]] std::int64_t num_examples() const { return num_examples_; }
  [[nodiscard]] const std::vector<BlockSize>& blocks() const { return blocks_; }
  [[nodiscard]] std::uint64_t disk_bytes() const { return block_starts_.back(); }
  // What all of them would take in memory.
  [[nodiscard]] std::uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  explicit ExampleSpill(std::unique_ptr<storage::ScratchFile> file) : file_(std::move(file)) {}

  std::unique_ptr<storage::ScratchFile> file_;
  std::int64_t num_examples_ = 0;
  std::vector<BlockSize> blocks_;
  std::vector<std::uint64_t> block_starts_ = {0};  // In the file; and where the next one goes.
  std::uint64_t memory_bytes_ = 0;
};

}  // namespace dime::worker
