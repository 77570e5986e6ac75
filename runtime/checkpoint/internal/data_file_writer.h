// runtime/checkpoint/internal/data_file_writer.h - one data file of a bundle, and what the index is
// to say of it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/status.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/internal/index_table.h"
#include "runtime/storage/file_system.h"

namespace dime::checkpoint::internal {

class DataFileWriter {
 public:
  // Starts data file `part` of `num_parts`.
  static absl::StatusOr<std::unique_ptr<DataFileWriter>> Create(storage::FileSystem& fs,
                                                                const std::string& prefix, int part,
                                                                int num_parts);
  ~DataFileWriter();  // Without Commit() nothing is left behind.

  absl::Status Begin(const std::string& name, DataType type, std::span<const std::int64_t> shape);
  // Rows [first, first + count) of a tensor of floats of that shape.
  absl::Status BeginRows(const std::string& name, std::span<const std::int64_t> shape,
                         std::int64_t first, std::int64_t count);
  absl::Status Append(std::string_view bytes);
  absl::Status End();

  // Whether all that was begun has ended.
  [[nodiscard]] absl::Status CheckNothingOpen() const;
  // Publishes the file.
  absl::Status Commit();

  // The header, and all that was written.
  [[nodiscard]] const IndexEntries& entries() const;
  [[nodiscard]] const std::string& prefix() const;

 private:
  class Impl;
  explicit DataFileWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::checkpoint::internal
