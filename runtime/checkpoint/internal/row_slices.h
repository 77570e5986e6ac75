// runtime/checkpoint/internal/row_slices.h - tensors that are stored in slices: runs of rows, which
// stand in the index under keys of their own.
//
// A tensor's rows are what its first dimension counts; a scalar is one row.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace dime::checkpoint::proto {
class BundleEntryProto;
class TensorSliceProto;
}  // namespace dime::checkpoint::proto

namespace dime::checkpoint::internal {

// The first byte of all slices' keys, and of no tensor's name.
inline constexpr char kSliceKeyStart = '\0';

// Rows [first, first + count) of a tensor, and the key of their entry.
struct RowSlice {
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::string key;
};

// How many rows a tensor of this shape has.
[[nodiscard]] std::int64_t NumRows(std::span<const std::int64_t> shape);

// TensorFlow's key for a slice of the tensor `name`: numbers and text in an order-preserving code.
[[nodiscard]] std::string SliceKey(std::string_view name, const proto::TensorSliceProto& slice);

// All of the other dimensions, as partitioned variables say it.
[[nodiscard]] proto::TensorSliceProto MakeRowSlice(std::span<const std::int64_t> shape,
                                                   std::int64_t first, std::int64_t count);

// The slices of a tensor by rows, which must make up the whole of it without gap or overlap.
absl::StatusOr<std::vector<RowSlice>> ParseRowSlices(std::string_view name,
                                                     const proto::BundleEntryProto& entry);

}  // namespace dime::checkpoint::internal
