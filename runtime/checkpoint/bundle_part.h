// runtime/checkpoint/bundle_part.h - a bundle that several processes write, a data file each.
//
// Each process writes its tensors, or its rows of them, and says what the index is to hold of that.
// One of them merges these entries into the index, when all data files are there. Threads: one at a
// time per object.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::checkpoint {

class BundlePartWriter {
 public:
  // Starts P.data-SSSSS-of-NNNNN, part S of N; nothing is visible under its final name yet.
  static absl::StatusOr<std::unique_ptr<BundlePartWriter>> Create(storage::FileSystem& fs,
                                                                  const std::string& prefix,
                                                                  int part, int num_parts);
  ~BundlePartWriter();  // Without Finish() nothing is left behind.

  absl::Status AddInt64(const std::string& name, std::int64_t value);  // A scalar.

  absl::Status AddInt64s(const std::string& name, std::span<const std::int64_t> values);

  // Rows [first, first + count) of a tensor of floats of that shape, in pieces: Begin, Append ...
  // Append, End. Its first dimension counts its rows; a scalar is one row. The rows that all parts
  // write must make up the tensor.
  absl::Status BeginRows(const std::string& name, std::span<const std::int64_t> shape,
                         std::int64_t first, std::int64_t count);
  absl::Status AppendFloats(std::span<const float> values);
  absl::Status EndRows();

  // Publishes the data file, and returns what WriteBundleIndex() takes.
  absl::StatusOr<std::string> Finish();

 private:
  class Impl;
  explicit BundlePartWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Publishes the bundle whose parts are all there; `entries[s]` are those of part s.
// kInvalidArgument and kDataLoss name a tensor that the parts do not make up.
absl::Status WriteBundleIndex(storage::FileSystem& fs, const std::string& prefix,
                              std::span<const std::string> entries);

}  // namespace dime::checkpoint
