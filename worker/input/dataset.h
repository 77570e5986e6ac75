// worker/input/dataset.h - the records of one or more files, parsed and hashed once; kept in
// memory, or in a scratch file where they are too many.
//
// A file is CSV, or TFRecord of tf.Examples, and may be compressed by gzip: its contents tell.
// Files are read and parsed by several threads; the result does not depend on how many. Bad records
// are counted, and the first ones described: "file:line: field 5 ('education_num'): ' x7' is not an
// integer", or "file: record 3 at byte 712: feature 'age': has 2 values; one is expected".
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "models/record_encoder.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"
#include "runtime/storage/file_system.h"
#include "worker/input/example_set.h"

namespace dime::worker {

struct DatasetOptions {
  std::int64_t max_bad_records = 0;  // More than these end the reading with an error.
  std::size_t max_record_bytes = std::size_t{1} << 20;
  std::size_t window_bytes = std::size_t{16} << 20;  // How much of a file is in memory at a time.
  // Examples beyond that much memory go to a scratch file in that directory.
  std::uint64_t memory_bytes = std::uint64_t{1} << 30;
  std::string scratch_directory = ".";
  std::stop_token stop;  // Asked between pieces of a file: kCancelled.
};

// How much of a file may be in memory at a time where examples may take `memory_bytes`: parsed, it
// takes several times as much.
[[nodiscard]] std::size_t WindowBytesWithin(std::uint64_t memory_bytes);

struct Dataset {
  ExampleSet examples;  // In the order of files and of records in them; bad ones left out.
  std::int64_t num_bad_records = 0;
  std::vector<std::string> bad_record_messages;  // The first 10.
  std::uint64_t size_bytes = 0;                  // Of all files.
  double read_seconds = 0;
  double cpu_seconds = 0;  // Of all threads of the process meanwhile.
};

// `patterns`: paths or globs, each of which must match a file. An empty set of records is an error.
absl::StatusOr<Dataset> LoadDataset(const std::vector<std::string>& patterns,
                                    const models::ModelDescription& description,
                                    const models::RecordEncoder& encoder,
                                    const DatasetOptions& options, base::ThreadPool& pool);

}  // namespace dime::worker
