// worker/input/csv_file.h - reads a CSV file, several threads parsing pieces of it.
//
// What comes out does not depend on the threads, nor on the window. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "models/description.h"
#include "models/record_encoder.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"
#include "worker/input/example_collector.h"
#include "worker/input/file_window.h"
#include "worker/input/record_parser.h"

namespace dime::worker {

class CsvFileReader {
 public:
  // All outlive this object.
  CsvFileReader(const models::InputFormat& format, const models::RecordEncoder& encoder,
                const DatasetOptions& options, base::ThreadPool& pool, ExampleCollector& collector);

  // A window that holds a record which may still turn out good twice.
  [[nodiscard]] std::size_t min_window_bytes() const { return 2 * parser_.max_undecided_bytes(); }

  // Reads a file from its start to its end.
  absl::Status Read(const std::string& path, FileWindow& window);

 private:
  absl::Status SkipLines(FileWindow& window);
  // The last header line, if it has the names of the fields, has them in the fields' order.
  [[nodiscard]] absl::Status CheckHeader(std::string_view line) const;
  absl::Status ParseRecords(FileWindow& window);
  absl::Status ParseInPieces(std::string_view text);
  absl::Status RefuseRecordOf(FileWindow& window);
  absl::Status Add(const ParsedText& parsed);

  const models::InputFormat& format_;
  base::ThreadPool& pool_;
  ExampleCollector& collector_;
  const RecordParser parser_;
  std::size_t piece_bytes_;

  // Where in which file the reader is.
  std::string path_;
  std::int64_t line_ = 0;
  int lines_to_skip_ = 0;
};

}  // namespace dime::worker
