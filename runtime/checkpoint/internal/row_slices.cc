#include "runtime/checkpoint/internal/row_slices.h"

#include <algorithm>
#include <bit>

#include "runtime/checkpoint/proto/tensor_bundle.pb.h"

namespace dime::checkpoint::internal {
namespace {

constexpr std::int64_t kWholeDimension = -1;

// --- TensorFlow's OrderedCode

// A count of bytes, then the number, highest byte first.
void AppendNumber(std::uint64_t value, std::string* out) {
  const int num_bytes = (std::bit_width(value) + 7) / 8;
  out->push_back(static_cast<char>(num_bytes));
  for (int i = num_bytes - 1; i >= 0; --i) out->push_back(static_cast<char>(value >> (8 * i)));
}

// Two bytes end a text, so those that they are made of are followed by another one within it.
void AppendText(std::string_view text, std::string* out) {
  for (const char c : text) {
    out->push_back(c);
    if (c == '\0') out->push_back('\xff');
    if (c == '\xff') out->push_back('\0');
  }
  out->append("\0\1", 2);
}

// The number in two's complement, highest byte first; as many of its highest bits are turned over
// as it has bytes, and those leave 7 bits a byte for the number and its sign.
void AppendSigned(std::int64_t value, std::string* out) {
  const auto magnitude = static_cast<std::uint64_t>(value < 0 ? ~value : value);
  const int num_bytes = std::bit_width(magnitude) / 7 + 1;
  constexpr int kMostBytes = 10;
  const char sign = value < 0 ? '\xff' : '\0';
  std::string bytes(kMostBytes - sizeof(value), sign);
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> shift));
  }
  bytes.erase(0, static_cast<std::size_t>(kMostBytes - num_bytes));
  for (int bit = 0; bit < num_bytes; ++bit) {
    bytes[static_cast<std::size_t>(bit / 8)] ^= static_cast<char>(0x80 >> (bit % 8));
  }
  *out += bytes;
}

std::int64_t LengthOf(const proto::TensorSliceProto::Extent& extent) {
  return extent.has_length_case() == proto::TensorSliceProto::Extent::kLength ? extent.length()
                                                                              : kWholeDimension;
}

bool IsWhole(const proto::TensorSliceProto::Extent& extent, std::int64_t size) {
  const std::int64_t length = LengthOf(extent);
  return extent.start() == 0 && (length == kWholeDimension || length == size);
}

absl::StatusOr<RowSlice> ParseRowSlice(std::string_view name, const proto::BundleEntryProto& entry,
                                       const proto::TensorSliceProto& slice) {
  const int rank = entry.shape().dim_size();
  if (rank == 0 || slice.extent_size() != rank) {
    return base::DataLoss("it has {} dimensions and a slice of {}", rank, slice.extent_size());
  }
  for (int d = 1; d < rank; ++d) {
    if (IsWhole(slice.extent(d), entry.shape().dim(d).size())) continue;
    return base::Unimplemented(
        "it is partitioned along its dimension {}; save it as one tensor (without a partitioner), "
        "or partitioned along the first one, to use it",
        d);
  }
  const std::int64_t num_rows = entry.shape().dim(0).size();
  RowSlice rows{.first = slice.extent(0).start(), .count = LengthOf(slice.extent(0)), .key = {}};
  if (rows.first == 0 && rows.count == kWholeDimension) rows.count = num_rows;
  if (rows.first < 0 || rows.count <= 0 || rows.count > num_rows ||
      rows.first > num_rows - rows.count) {
    return base::DataLoss("it has {} rows and a slice of the {} from {} on", num_rows, rows.count,
                          rows.first);
  }
  rows.key = SliceKey(name, slice);
  return rows;
}

}  // namespace

std::int64_t NumRows(std::span<const std::int64_t> shape) {
  return shape.empty() ? 1 : shape.front();
}

std::string SliceKey(std::string_view name, const proto::TensorSliceProto& slice) {
  std::string key;
  AppendNumber(0, &key);  // Makes kSliceKeyStart.
  AppendText(name, &key);
  AppendNumber(static_cast<std::uint64_t>(slice.extent_size()), &key);
  for (const auto& extent : slice.extent()) {
    AppendSigned(extent.start(), &key);
    AppendSigned(LengthOf(extent), &key);
  }
  return key;
}

proto::TensorSliceProto MakeRowSlice(std::span<const std::int64_t> shape, std::int64_t first,
                                     std::int64_t count) {
  proto::TensorSliceProto slice;
  for (const std::int64_t size : shape) slice.add_extent()->set_length(size);
  slice.mutable_extent(0)->set_start(first);
  slice.mutable_extent(0)->set_length(count);
  return slice;
}

absl::StatusOr<std::vector<RowSlice>> ParseRowSlices(std::string_view name,
                                                     const proto::BundleEntryProto& entry) {
  std::vector<RowSlice> slices;
  for (const proto::TensorSliceProto& slice : entry.slices()) {
    DIME_ASSIGN_OR_RETURN(RowSlice rows, ParseRowSlice(name, entry, slice));
    slices.push_back(std::move(rows));
  }
  std::ranges::sort(slices, {}, &RowSlice::first);
  std::int64_t end = 0;
  for (const RowSlice& slice : slices) {
    if (slice.first != end) {
      return base::DataLoss("its slices {}: one starts at row {}, where {} is expected",
                            slice.first < end ? "overlap" : "leave a gap", slice.first, end);
    }
    end = slice.first + slice.count;
  }
  if (end == entry.shape().dim(0).size()) return slices;
  return base::DataLoss("its slices end at row {} of {}", end, entry.shape().dim(0).size());
}

}  // namespace dime::checkpoint::internal
