#include "worker/input/example_collector.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/storage/file_system.h"
#include "worker/input/example_block.h"

namespace dime::worker {
namespace {

// Memory of one block: large enough that reading it costs little beside waiting for it, small
// enough that a window holds many.
constexpr std::uint64_t kMaxBlockBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kLeastBlocksInBudget = 64;

// Two windows are in memory at a time, one of which is read ahead.
constexpr std::uint64_t kWindowsInBudget = 2;

// Batches number their examples and ids with 32 bits.
constexpr auto kMaxCountInMemory =
    static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) / 2;

// Where a block ends that starts with example `first`: behind the one that makes it `block_bytes`
// or more. None if there are not so many.
std::optional<std::int64_t> EndOfBlock(const models::Batch& examples, std::int64_t first,
                                       std::uint64_t block_bytes) {
  const auto is_enough = [&](std::int64_t end) {
    return MemoryBytes(examples, first, end) >= block_bytes;
  };
  std::int64_t too_early = first;
  std::int64_t end = examples.num_examples;
  if (!is_enough(end)) return std::nullopt;
  while (end - too_early > 1) {
    const std::int64_t middle = too_early + (end - too_early) / 2;
    (is_enough(middle) ? end : too_early) = middle;
  }
  return end;
}

// The examples [first, end).
void CopyExamples(const models::Batch& from, std::int64_t first, std::int64_t end,
                  models::Batch* to) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(end - first));
  std::iota(indices.begin(), indices.end(), first);
  models::GatherExamples(from, indices, to);
}

bool FitsInMemory(const models::Batch& examples, std::uint64_t memory_bytes) {
  std::size_t count = examples.labels.size();
  for (const models::IdColumn& column : examples.ids) count = std::max(count, column.ids.size());
  return count <= kMaxCountInMemory && MemoryBytes(examples) <= memory_bytes;
}

// "1.5 GiB", "64 KiB".
std::string FormatBytes(std::uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto number = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; number >= 1024 && unit + 1 < std::size(kUnits); number /= 1024) ++unit;
  return fmt::format("{:.4g} {}", number, kUnits[unit]);
}

}  // namespace

ExampleCollector::ExampleCollector(const models::RecordEncoder& encoder,
                                   const DatasetOptions& options, std::uint64_t input_bytes)
    : options_(options),
      input_bytes_(input_bytes),
      block_bytes_(std::clamp<std::uint64_t>(options.memory_bytes / kLeastBlocksInBudget, 1,
                                             kMaxBlockBytes)),
      memory_(encoder.NewBatch()) {}

void ExampleCollector::EndFile() {
  bytes_of_files_before_ += stream_->file_bytes();
  stream_ = nullptr;
}

void ExampleCollector::Reserve(std::int64_t num_examples) {
  if (spill_ != nullptr) return;  // Memory holds less than a block by now.
  models::ReserveExamples(memory_.num_examples + num_examples, &memory_);
}

absl::Status ExampleCollector::Add(const ParsedText& parsed,
                                   const std::function<std::string(const BadRecord&)>& describe) {
  if (parsed.examples.num_examples > 0) DIME_RETURN_IF_ERROR(AddExamples(parsed.examples));
  for (const BadRecord& bad : parsed.bad_records) {
    if (dataset_.bad_record_messages.size() >= kMaxBadRecordMessages) break;
    dataset_.bad_record_messages.push_back(describe(bad));
  }
  dataset_.num_bad_records += parsed.num_bad_records;
  if (dataset_.num_bad_records <= options_.max_bad_records) return absl::OkStatus();
  return base::OutOfRange(
      "{} bad record{} so far, {} tolerated (--max-bad-records=N tolerates N); the first: {}",
      dataset_.num_bad_records, dataset_.num_bad_records == 1 ? "" : "s", options_.max_bad_records,
      dataset_.bad_record_messages.front());
}

absl::Status ExampleCollector::CheckStop(const std::string& path) const {
  if (!options_.stop.stop_requested()) return absl::OkStatus();
  return base::Cancelled("stopped while reading '{}'", path);
}

absl::StatusOr<Dataset> ExampleCollector::Finish() {
  dataset_.size_bytes = bytes_of_files_before_;
  if (spill_ == nullptr) {
    dataset_.examples = ExampleSet(std::move(memory_));
    return std::move(dataset_);
  }
  if (memory_.num_examples > 0) DIME_RETURN_IF_ERROR(SpillBlock(memory_));
  dataset_.examples = ExampleSet(std::move(spill_), options_.memory_bytes / kWindowsInBudget);
  return std::move(dataset_);
}

absl::Status ExampleCollector::AddExamples(const models::Batch& examples) {
  models::AppendExamples(examples, &memory_);
  if (spill_ != nullptr) return SpillWholeBlocks();
  if (FitsInMemory(memory_, options_.memory_bytes)) return absl::OkStatus();
  return StartSpill();
}

absl::Status ExampleCollector::StartSpill() {
  base::Log(base::Severity::kInfo,
            "the examples take more memory than the {} of --input-memory: they go to a scratch "
            "file in {}",
            FormatBytes(options_.memory_bytes), options_.scratch_directory);
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs,
                        storage::FileSystemFor(options_.scratch_directory));
  auto spill = ExampleSpill::Create(*fs, options_.scratch_directory);
  if (!spill.ok()) return ExplainSpillFailure(spill.status());
  spill_ = *std::move(spill);
  return SpillWholeBlocks();
}

// Leaves less than a block in memory.
absl::Status ExampleCollector::SpillWholeBlocks() {
  models::Batch block;
  std::int64_t first = 0;
  while (const auto end = EndOfBlock(memory_, first, block_bytes_)) {
    CopyExamples(memory_, first, *end, &block);
    DIME_RETURN_IF_ERROR(SpillBlock(block));
    first = *end;
  }
  if (first == 0) return absl::OkStatus();
  models::Batch rest;
  CopyExamples(memory_, first, memory_.num_examples, &rest);
  memory_ = std::move(rest);
  return absl::OkStatus();
}

absl::Status ExampleCollector::SpillBlock(const models::Batch& block) {
  return ExplainSpillFailure(spill_->Append(block));
}

absl::Status ExampleCollector::ExplainSpillFailure(const absl::Status& status) const {
  if (status.ok()) return status;
  std::string need;
  const std::uint64_t bytes_read =
      bytes_of_files_before_ + (stream_ == nullptr ? 0 : stream_->file_offset());
  if (spill_ != nullptr && bytes_read > 0) {
    const double part = static_cast<double>(bytes_read) / static_cast<double>(input_bytes_);
    const auto written = static_cast<double>(spill_->disk_bytes());
    need = fmt::format(" ({} written, about {} needed in all)", FormatBytes(spill_->disk_bytes()),
                       FormatBytes(static_cast<std::uint64_t>(written / std::min(part, 1.0))));
  }
  return base::Annotate(
      status, fmt::format("examples that do not fit into the {} of --input-memory cannot be kept "
                          "in {}{}; make room there, or raise --input-memory",
                          FormatBytes(options_.memory_bytes), options_.scratch_directory, need));
}

}  // namespace dime::worker
