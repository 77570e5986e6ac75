// worker/input/example_file.h - reads a TFRecord file of tf.Examples, several threads parsing
// pieces of it.
//
// A bad example is one bad record. A damaged frame ends the reading: nothing says where the next
// one starts. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/description.h"
#include "models/record_encoder.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"
#include "worker/input/example_collector.h"
#include "worker/input/example_parser.h"
#include "worker/input/file_window.h"

namespace dime::worker {

class ExampleFileReader {
 public:
  // All outlive this object.
  ExampleFileReader(const models::ModelDescription& description,
                    const models::RecordEncoder& encoder, const DatasetOptions& options,
                    base::ThreadPool& pool, ExampleCollector& collector);

  // A window in which a record that is not too long fits.
  [[nodiscard]] std::size_t min_window_bytes() const { return max_framed_bytes_; }

  // Reads a file from its start to its end.
  absl::Status Read(const std::string& path, FileWindow& window);

 private:
  // Neighbouring records, with their frames.
  struct Piece {
    std::string_view records;
    std::uint64_t offset = 0;  // In the file.
  };

  void SkipRecord(FileWindow& window);
  absl::Status ParseRecords(FileWindow& window);
  absl::StatusOr<std::vector<Piece>> CutAtRecords(const FileWindow& window) const;
  absl::Status ParsePieces(const std::vector<Piece>& pieces);
  absl::Status CheckRest(FileWindow& window);
  absl::Status Add(const ParsedText& parsed);
  [[nodiscard]] absl::Status AtByte(const absl::Status& status, std::uint64_t offset) const;

  base::ThreadPool& pool_;
  ExampleCollector& collector_;
  const ExampleParser parser_;
  const std::uint64_t max_framed_bytes_;
  const std::size_t piece_bytes_;

  // Where in which file the reader is.
  std::string path_;
  std::int64_t record_ = 0;
  std::uint64_t bytes_to_skip_ = 0;  // Of a record that is too long.
};

}  // namespace dime::worker
