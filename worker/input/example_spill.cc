#include "worker/input/example_spill.h"

#include <span>

#include "runtime/base/check.h"
#include "worker/input/example_block.h"

namespace dime::worker {

absl::StatusOr<std::unique_ptr<ExampleSpill>> ExampleSpill::Create(
    storage::FileSystem& file_system, const std::string& directory,
    std::int64_t examples_per_block) {
  DIME_CHECK(examples_per_block > 0);
  DIME_ASSIGN_OR_RETURN(auto file, file_system.CreateScratch(directory));
  return std::unique_ptr<ExampleSpill>(new ExampleSpill(std::move(file), examples_per_block));
}

absl::Status ExampleSpill::Append(const models::Batch& block) {
  DIME_CHECK(num_examples_ % examples_per_block_ == 0);
  DIME_CHECK(block.num_examples > 0 && block.num_examples <= examples_per_block_);
  const std::string bytes = EncodeExamples(block);
  DIME_RETURN_IF_ERROR(file_->Append(bytes));
  block_starts_.push_back(block_starts_.back() + bytes.size());
  num_examples_ += block.num_examples;
  memory_bytes_ += MemoryBytes(block);
  return absl::OkStatus();
}

absl::Status ExampleSpill::Read(std::int64_t block, std::string* buffer,
                                models::Batch* examples) const {
  DIME_CHECK(block >= 0 && block < num_blocks());
  const auto b = static_cast<std::size_t>(block);
  buffer->resize(static_cast<std::size_t>(block_starts_[b + 1] - block_starts_[b]));
  DIME_RETURN_IF_ERROR(file_->ReadAt(block_starts_[b], *buffer));
  return base::Annotate(DecodeExamples(*buffer, examples),
                        fmt::format("the scratch file, block {}", block));
}

}  // namespace dime::worker
