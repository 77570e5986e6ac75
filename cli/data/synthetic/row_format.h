// cli/data/synthetic/row_format.h - cells to bytes: CSV rows, or TFRecords of tf.Examples.
//
// Threads: const methods from any thread.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "cli/data/synthetic/synthetic_rows.h"

namespace dime::cli {

enum class RecordFormat { kCsv, kTfRecord };

class RowFormat {
 public:
  virtual ~RowFormat() = default;
  virtual void Append(std::span<const Cell> cells, std::string* out) const = 0;
};

// A missing cell is an empty field in CSV and no feature of a tf.Example. Integers are an
// int64_list, all else a bytes_list of the text that a CSV reader would see, and an example's bytes
// are those of records::SerializeExample(). `rows` outlives what is returned.
[[nodiscard]] std::unique_ptr<const RowFormat> MakeRowFormat(RecordFormat format,
                                                             const SyntheticRows& rows);

}  // namespace dime::cli
