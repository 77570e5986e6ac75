// runtime/checkpoint/bundle.h - TensorFlow's V2 checkpoint format ("tensor bundle"), written and
// read.
//
// A bundle with prefix P is P.index (a LevelDB table: name -> type, shape, place, CRC) and data
// files, P.data-00000-of-00001 if there is one (the tensors' bytes, row-major, little-endian).
// FORMAT.md has the bytes. The index is written last and atomically, so a bundle whose index is
// there is whole. bundle_part.h writes bundles of several data files.
//
// Threads: one at a time per object. Errors: kDataLoss names file, tensor and what does not match.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::checkpoint {

// TensorFlow's numbers: stored on disk, never to be changed.
enum class DataType { kFloat = 1, kDouble = 2, kInt32 = 3, kString = 7, kInt64 = 9 };

[[nodiscard]] std::string_view DataTypeName(DataType type);

struct TensorInfo {
  DataType type = DataType::kFloat;
  std::vector<std::int64_t> shape;  // Empty: a scalar.

  [[nodiscard]] std::int64_t num_elements() const;
  friend bool operator==(const TensorInfo&, const TensorInfo&) = default;
};

// Rows [first, first + count) of a tensor, of which its first dimension counts them; a scalar is
// one row.
struct RowRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
  friend bool operator==(const RowRange&, const RowRange&) = default;
};

class BundleWriter {
 public:
  // Starts P.data-00000-of-00001; nothing is visible under its final name yet.
  static absl::StatusOr<std::unique_ptr<BundleWriter>> Create(storage::FileSystem& fs,
                                                              const std::string& prefix);
  ~BundleWriter();  // Without Finish() nothing is left behind.

  // Tensors may come in any order, each name once.
  absl::Status AddFloats(const std::string& name, std::span<const std::int64_t> shape,
                         std::span<const float> values);
  absl::Status AddInt64(const std::string& name, std::int64_t value);  // A scalar.
  absl::Status AddInt64s(const std::string& name, std::span<const std::int64_t> values);

  // A tensor in pieces: Begin, Append ... Append, End. The pieces must add up to the shape.
  absl::Status BeginFloats(const std::string& name, std::span<const std::int64_t> shape);
  absl::Status AppendFloats(std::span<const float> values);
  absl::Status EndTensor();

  // Publishes the data file, then the index.
  absl::Status Finish();

 private:
  class Impl;
  explicit BundleWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class BundleReader {
 public:
  // Reads and checks the index. kNotFound when there is none.
  static absl::StatusOr<std::unique_ptr<BundleReader>> Open(storage::FileSystem& fs,
                                                            const std::string& prefix);
  ~BundleReader();

  [[nodiscard]] const std::map<std::string, TensorInfo, std::less<>>& tensors() const;
  [[nodiscard]] const std::string& prefix() const;
  [[nodiscard]] storage::FileSystem& file_system() const;
  // The CRC-32C of a tensor's bytes by the index, whether or not they have it. kInvalidArgument for
  // one in slices.
  absl::StatusOr<std::uint32_t> Crc(std::string_view name) const;

  // Reads a whole tensor; its CRC is checked. `out` must have as many elements as the tensor.
  absl::Status ReadFloats(std::string_view name, std::span<float> out);
  // Takes whole rows, from `first_row` on.
  using RowSink = std::function<absl::Status(std::int64_t first_row, std::span<const float> rows)>;
  // Hands rows to `sink`, a few at a time, in order; `ranges` ascend and do not overlap. What is
  // read for them is read whole and its CRC checked: all slices that they touch, or the tensor.
  // Rows that were handed over are not to be used if damage is found then.
  absl::Status ReadRows(std::string_view name, std::span<const RowRange> ranges,
                        const RowSink& sink);
  absl::StatusOr<std::int64_t> ReadInt64(std::string_view name);                // A scalar.
  absl::StatusOr<std::vector<std::int64_t>> ReadInt64s(std::string_view name);  // Of any shape.
  absl::StatusOr<std::vector<std::string>> ReadStrings(std::string_view name);

  // Reads every tensor and checks its CRC; the first damage is the answer.
  absl::Status Verify();

 private:
  class Impl;
  explicit BundleReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The files that make up a bundle, index last.
[[nodiscard]] std::vector<std::string> BundleFiles(const std::string& prefix,
                                                   int num_data_files = 1);
absl::Status DeleteBundle(storage::FileSystem& fs, const std::string& prefix);  // Index first.

}  // namespace dime::checkpoint
