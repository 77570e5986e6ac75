// worker/input/example_collector.h - where the examples of a data set's files come together, and
// what is said of the bad records among them.
//
// The first examples are kept in memory. Once they are more than the budget, all go to a scratch
// file, cut into blocks. When and where does not depend on threads or on windows of files: the
// result is a function of the records and the budget alone. Threads: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/batch.h"
#include "models/record_encoder.h"
#include "runtime/base/status.h"
#include "runtime/storage/input_stream.h"
#include "worker/input/dataset.h"
#include "worker/input/record_parser.h"

namespace dime::worker {

class ExampleCollector {
 public:
  // Both outlive this object. `input_bytes`: what all files have together.
  ExampleCollector(const models::RecordEncoder& encoder, const DatasetOptions& options,
                   std::uint64_t input_bytes);

  // What is added from here on is from `stream`, which lives until EndFile().
  void BeginFile(const storage::InputStream& stream) { stream_ = &stream; }
  void EndFile();

  // Takes the memory for so many more examples at once.
  void Reserve(std::int64_t num_examples);

  // Adds what was parsed. `describe` makes a bad record's message, with the place where it is.
  // kOutOfRange for more bad records than are tolerated.
  absl::Status Add(const ParsedText& parsed,
                   const std::function<std::string(const BadRecord&)>& describe);

  // kCancelled when the reading of `path` is to end.
  [[nodiscard]] absl::Status CheckStop(const std::string& path) const;

  // All that was added.
  absl::StatusOr<Dataset> Finish();

 private:
  absl::Status AddExamples(const models::Batch& examples);
  absl::Status StartSpill();
  absl::Status SpillWholeBlocks();
  absl::Status SpillBlock(const models::Batch& block);
  [[nodiscard]] absl::Status ExplainSpillFailure(const absl::Status& status) const;

  const DatasetOptions& options_;
  const std::uint64_t input_bytes_;
  const std::uint64_t block_bytes_;
  Dataset dataset_;
  models::Batch memory_;                 // All examples, or those that are no whole block yet.
  std::unique_ptr<ExampleSpill> spill_;  // Null as long as all fit in memory.

  const storage::InputStream* stream_ = nullptr;
  std::uint64_t bytes_of_files_before_ = 0;
};

}  // namespace dime::worker
