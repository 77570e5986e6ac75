// cli/data/synthetic/write_rows.h - synthetic rows into files, on all cores.
//
// The bytes do not depend on the number of threads. Memory is a few pieces of some megabytes a
// thread, however many rows there are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "cli/data/synthetic/row_format.h"
#include "cli/data/synthetic/synthetic_rows.h"
#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::cli {

struct WriteRowsOptions {
  std::int64_t num_rows = 0;
  std::uint64_t seed = 1;
  RecordFormat format = RecordFormat::kCsv;
  bool gzip = false;
  int num_threads = 0;        // 0: one a processor.
  std::stop_token stop = {};  // Asked a few times a second: kCancelled.
  std::function<void(std::int64_t rows)> on_progress = {};  // Likewise; from the calling thread.
};

struct WriteRowsResult {
  std::uint64_t num_bytes = 0;  // Of the files.
  std::int64_t num_positives = 0;
  double planted_auc = 0;  // Of the planted truth's scores against the labels that were drawn.
};

// Appends rows 0 to num_rows - 1 to the files, each of which gets as many of them as the others, or
// one more, in their order. They are left uncommitted: either all of them are to appear or none. At
// least one file, and a row for each.
absl::StatusOr<WriteRowsResult> WriteRows(
    const SyntheticRows& rows, const WriteRowsOptions& options,
    std::span<const std::unique_ptr<storage::AtomicFile>> files);

// The same as one text in memory, for tests and benchmarks: CSV, not compressed.
[[nodiscard]] std::string SyntheticCsv(const SyntheticRows& rows, std::int64_t num_rows,
                                       std::uint64_t seed);

}  // namespace dime::cli
