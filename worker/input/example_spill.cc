#include "worker/input/example_spill.h"

#include <iterator>

#include "runtime/base/check.h"

namespace dime::worker {

absl::StatusOr<std::unique_ptr<ExampleSpill>> ExampleSpill::Create(storage::FileSystem& file_system,
                                                                   const std::string& directory) {
  DIME_ASSIGN_OR_RETURN(auto file, file_system.CreateScratch(directory));
  return std::unique_ptr<ExampleSpill>(new ExampleSpill(std::move(file)));
}

absl::Status ExampleSpill::Append(const models::Batch& block) {
  DIME_CHECK(block.num_examples > 0);
  const std::string bytes = EncodeExamples(block);
  DIME_RETURN_IF_ERROR(file_->Append(bytes));
  block_starts_.push_back(block_starts_.back() + bytes.size());
  const BlockSize& size = blocks_.emplace_back(BlockSize{block.num_examples, MemoryBytes(block)});
  num_examples_ += size.num_examples;
  memory_bytes_ += size.memory_bytes;
  return absl::OkStatus();
}

absl::Status ExampleSpill::Read(std::int64_t block, std::string* buffer,
                                models::Batch* examples) const {
  DIME_CHECK(block >= 0 && block < std::ssize(blocks_));
  const auto b = static_cast<std::size_t>(block);
  buffer->resize(static_cast<std::size_t>(block_starts_[b + 1] - block_starts_[b]));
  DIME_RETURN_IF_ERROR(file_->ReadAt(block_starts_[b], *buffer));
  return base::Annotate(DecodeExamples(*buffer, examples),
                        fmt::format("the scratch file, block {}", block));
}

}  // namespace dime::worker
