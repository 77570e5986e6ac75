#include <algorithm>
#include <optional>
#include <utility>

#include "runtime/base/crc32c.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/internal/bundle_format.h"
#include "runtime/checkpoint/internal/index_table.h"
#include "runtime/checkpoint/internal/row_slices.h"
#include "runtime/checkpoint/internal/string_tensor.h"
#include "runtime/checkpoint/proto/tensor_bundle.pb.h"
#include "runtime/records/parse_message.h"

namespace dime::checkpoint {
namespace {

constexpr std::int64_t kChunkBytes = std::int64_t{1} << 20;
constexpr std::int64_t kMaxStringBytes = std::int64_t{64} << 20;

// Where a tensor's bytes lie.
struct Place {
  int shard = 0;
  std::int64_t offset = 0;
  std::int64_t size = 0;
  std::uint32_t crc = 0;  // Not masked.
};

// Some rows of a tensor, which lie together: all of them, or a slice.
struct Extent {
  RowRange rows;
  Place place;
};

struct Tensor {
  TensorInfo info;
  std::vector<Extent> extents;  // In the order of their rows; together they are the tensor.

  bool is_sliced = false;

  [[nodiscard]] std::int64_t num_rows() const { return internal::NumRows(info.shape); }
};

absl::StatusOr<int> ParseHeader(const internal::IndexEntries& entries) {
  const auto found = entries.find("");
  proto::BundleHeaderProto header;
  if (found == entries.end() || !records::ParseMessage(found->second, &header)) {
    return base::DataLoss("it has no bundle header");
  }
  if (header.endianness() != proto::BundleHeaderProto::LITTLE) {
    return base::Unimplemented("it was written on a big-endian machine; write it on another one");
  }
  if (header.version().min_consumer() > internal::kBundleVersion) {
    return base::Unimplemented("it needs a reader of version {}; this one is of version {}",
                               header.version().min_consumer(), internal::kBundleVersion);
  }
  if (header.num_shards() < 1 || header.num_shards() > internal::kMaxDataFiles) {
    return base::DataLoss("its header counts {} data files", header.num_shards());
  }
  return header.num_shards();
}

// The size that a tensor must have on disk: exactly for numbers, at least for strings.
absl::Status CheckSize(const TensorInfo& info, std::int64_t size) {
  const std::optional<std::int64_t> element_bytes = internal::ElementBytes(info.type);
  if (!element_bytes.has_value()) {
    return base::Unimplemented("it has type {}, which cannot be read", static_cast<int>(info.type));
  }
  const bool is_string = *element_bytes == 0;
  const auto expected = internal::CheckedProduct(info.shape, is_string ? 1 : *element_bytes);
  if (!expected.has_value()) {
    return base::DataLoss("its shape {} is impossible", internal::Describe(info));
  }
  if (is_string ? size < *expected : size != *expected) {
    return base::DataLoss("it has {} bytes, expected {}{} for {}", size,
                          is_string ? "at least " : "", *expected, internal::Describe(info));
  }
  return absl::OkStatus();
}

absl::StatusOr<TensorInfo> ParseInfo(const proto::BundleEntryProto& entry) {
  TensorInfo info{static_cast<DataType>(entry.dtype()), {}};
  for (const auto& dim : entry.shape().dim()) info.shape.push_back(dim.size());
  if (entry.shape().unknown_rank()) return base::DataLoss("its shape is unknown");
  return info;
}

// Where what has this entry lies, which is of that type and shape.
absl::StatusOr<Place> ParsePlace(const proto::BundleEntryProto& entry, const TensorInfo& info,
                                 int num_shards) {
  const Place place = {entry.shard_id(), entry.offset(), entry.size(),
                       base::UnmaskCrc32c(entry.crc32c())};
  if (place.shard < 0 || place.shard >= num_shards) {
    return base::DataLoss("it lies in data file {}, expected 0 to {}", place.shard, num_shards - 1);
  }
  if (place.offset < 0 || place.size < 0) {
    return base::DataLoss("it lies at byte {} with {} bytes", place.offset, place.size);
  }
  DIME_RETURN_IF_ERROR(CheckSize(info, place.size));
  return place;
}

// A slice, whose entry must fit to the whole tensor's.
absl::StatusOr<Extent> ParseSlice(const internal::IndexEntries& entries,
                                  const internal::RowSlice& slice, const TensorInfo& whole,
                                  int num_shards) {
  const auto found = entries.find(slice.key);
  proto::BundleEntryProto entry;
  if (found == entries.end() || !records::ParseMessage(found->second, &entry)) {
    return base::DataLoss("they have no sound entry");
  }
  DIME_ASSIGN_OR_RETURN(const TensorInfo info, ParseInfo(entry));
  TensorInfo expected = whole;
  expected.shape.front() = slice.count;
  if (info != expected || !entry.slices().empty()) {
    return base::DataLoss("they are {}, expected {}", internal::Describe(info),
                          internal::Describe(expected));
  }
  DIME_ASSIGN_OR_RETURN(const Place place, ParsePlace(entry, info, num_shards));
  return Extent{{slice.first, slice.count}, place};
}

std::string DescribeRows(const RowRange& rows) {
  return fmt::format("rows {} to {}", rows.first, rows.first + rows.count - 1);
}

absl::StatusOr<Tensor> ParseTensor(const internal::IndexEntries& entries, const std::string& name,
                                   const std::string& value, int num_shards) {
  proto::BundleEntryProto entry;
  if (!records::ParseMessage(value, &entry)) return base::DataLoss("its entry is malformed");
  Tensor tensor;
  DIME_ASSIGN_OR_RETURN(tensor.info, ParseInfo(entry));
  if (entry.slices().empty()) {
    DIME_ASSIGN_OR_RETURN(const Place place, ParsePlace(entry, tensor.info, num_shards));
    tensor.extents.push_back({{0, tensor.num_rows()}, place});
    return tensor;
  }
  if (tensor.info.type == DataType::kString) {
    return base::Unimplemented(
        "it is partitioned into {} slices of strings; save it as one tensor (without a "
        "partitioner) to use it",
        entry.slices_size());
  }
  if (!internal::CheckedProduct(tensor.info.shape, 1).has_value()) {
    return base::DataLoss("its shape {} is impossible", internal::Describe(tensor.info));
  }
  DIME_ASSIGN_OR_RETURN(const std::vector<internal::RowSlice> slices,
                        internal::ParseRowSlices(name, entry));
  tensor.is_sliced = true;
  for (const internal::RowSlice& slice : slices) {
    const absl::StatusOr<Extent> extent = ParseSlice(entries, slice, tensor.info, num_shards);
    if (!extent.ok()) {
      return base::Annotate(extent.status(), DescribeRows({slice.first, slice.count}));
    }
    tensor.extents.push_back(*extent);
  }
  return tensor;
}

}  // namespace

class BundleReader::Impl {
 public:
  Impl(storage::FileSystem& fs, std::string prefix) : fs_(fs), prefix_(std::move(prefix)) {}

  absl::Status Open() {
    const std::string path = internal::IndexPath(prefix_);
    DIME_ASSIGN_OR_RETURN(const std::string file, fs_.ReadFile(path, internal::kMaxIndexBytes));
    return base::Annotate(ReadIndex(file), fmt::format("checkpoint index '{}'", path));
  }

  // The tensor `name`, which must have this type.
  absl::StatusOr<const Tensor*> Find(std::string_view name, DataType type) const {
    const auto found = places_.find(name);
    if (found == places_.end()) {
      return base::NotFound("checkpoint '{}' has no tensor '{}'", prefix_, name);
    }
    if (found->second.info.type != type) {
      return base::InvalidArgument("checkpoint '{}': the tensor '{}' is {}, not of type {}",
                                   prefix_, name, internal::Describe(found->second.info),
                                   DataTypeName(type));
    }
    return &found->second;
  }

  // Reads a tensor of numbers into `out`, which has its size.
  absl::Status Read(std::string_view name, const Tensor& tensor, std::span<char> out) {
    for (const Extent& extent : tensor.extents) {
      const std::span<char> part = out.first(static_cast<std::size_t>(extent.place.size));
      DIME_RETURN_IF_ERROR(ReadBytes(name, tensor, extent, 0, part));
      DIME_RETURN_IF_ERROR(
          CheckCrc(name, tensor, extent, base::ExtendCrc32c(0, part.data(), part.size())));
      out = out.subspan(part.size());
    }
    return absl::OkStatus();
  }

  absl::Status ReadRows(std::string_view name, const Tensor& tensor,
                        std::span<const RowRange> ranges, const RowSink& sink) {
    auto range = ranges.begin();
    for (const Extent& extent : tensor.extents) {
      const std::int64_t end = extent.rows.first + extent.rows.count;
      while (range != ranges.end() && range->first + range->count <= extent.rows.first) ++range;
      if (range == ranges.end()) return absl::OkStatus();
      if (range->first >= end) continue;
      const std::span<const RowRange> touching(range, ranges.end());
      DIME_RETURN_IF_ERROR(
          Stream(name, tensor, extent, [&](const RowRange& rows, std::span<const char> bytes) {
            return HandOver(rows, bytes, touching, sink);
          }));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> ReadStrings(std::string_view name,
                                                       const Tensor& tensor) {
    const Extent& whole = tensor.extents.front();
    if (whole.place.size > kMaxStringBytes) {
      return base::OutOfRange("{}: it has {} bytes of strings, more than the {} that are read",
                              Where(name, tensor, whole), whole.place.size, kMaxStringBytes);
    }
    std::string bytes(whole.place.size, '\0');
    DIME_RETURN_IF_ERROR(ReadBytes(name, tensor, whole, 0, bytes));
    absl::StatusOr<internal::StringTensor> strings =
        internal::ParseStringTensor(bytes, tensor.info.num_elements());
    if (!strings.ok()) return base::Annotate(strings.status(), Where(name, tensor, whole));
    DIME_RETURN_IF_ERROR(CheckCrc(name, tensor, whole, strings->crc));
    return std::move(strings->values);
  }

  absl::Status Verify(std::string_view name, const Tensor& tensor) {
    if (tensor.info.type == DataType::kString) return ReadStrings(name, tensor).status();
    for (const Extent& extent : tensor.extents) {
      DIME_RETURN_IF_ERROR(
          Stream(name, tensor, extent, [](const RowRange&, auto) { return absl::OkStatus(); }));
    }
    return absl::OkStatus();
  }

  absl::Status VerifyAll() {
    for (const auto& [name, tensor] : places_) DIME_RETURN_IF_ERROR(Verify(name, tensor));
    return absl::OkStatus();
  }

  const std::map<std::string, TensorInfo, std::less<>>& infos() const { return infos_; }
  const std::string& prefix() const { return prefix_; }
  [[nodiscard]] storage::FileSystem& file_system() const { return fs_; }

  absl::StatusOr<std::uint32_t> Crc(std::string_view name) const {
    const auto found = places_.find(name);
    if (found == places_.end()) {
      return base::NotFound("checkpoint '{}' has no tensor '{}'", prefix_, name);
    }
    if (found->second.is_sliced) {
      return base::InvalidArgument("checkpoint '{}': the tensor '{}' lies in several pieces",
                                   prefix_, name);
    }
    return found->second.extents.front().place.crc;
  }

 private:
  absl::Status ReadIndex(std::string_view file) {
    DIME_ASSIGN_OR_RETURN(const internal::IndexEntries entries, internal::ParseIndexTable(file));
    DIME_ASSIGN_OR_RETURN(num_shards_, ParseHeader(entries));
    std::size_t num_slices = 0;
    for (const auto& [name, value] : entries) {
      if (name.empty() || name.front() == internal::kSliceKeyStart) continue;
      absl::StatusOr<Tensor> tensor = ParseTensor(entries, name, value, num_shards_);
      absl::Status status = tensor.status();
      if (status.ok()) status = CheckPlaces(*tensor);
      if (!status.ok()) return base::Annotate(status, fmt::format("tensor '{}'", name));
      if (tensor->is_sliced) num_slices += tensor->extents.size();
      infos_.emplace(name, tensor->info);
      places_.emplace(name, *std::move(tensor));
    }
    if (num_slices + places_.size() + 1 == entries.size()) return absl::OkStatus();
    return base::DataLoss("it has {} entries of slices, of which {} belong to a tensor",
                          entries.size() - places_.size() - 1, num_slices);
  }

  absl::Status CheckPlaces(const Tensor& tensor) {
    for (const Extent& extent : tensor.extents) {
      const absl::Status status = CheckPlace(extent.place);
      if (status.ok()) continue;
      return tensor.is_sliced ? base::Annotate(status, DescribeRows(extent.rows)) : status;
    }
    return absl::OkStatus();
  }

  absl::Status CheckPlace(const Place& place) {
    DIME_ASSIGN_OR_RETURN(storage::ReadableFile* const file, DataFile(place.shard));
    const std::uint64_t end = static_cast<std::uint64_t>(place.offset) + place.size;
    if (end <= file->size_bytes()) return absl::OkStatus();
    return base::DataLoss("its bytes {} to {} reach over the end of '{}', which has {} bytes",
                          place.offset, end, DataPath(place.shard), file->size_bytes());
  }

  absl::StatusOr<storage::ReadableFile*> DataFile(int shard) {
    std::unique_ptr<storage::ReadableFile>& file = files_[shard];
    if (file == nullptr) {
      absl::StatusOr<std::unique_ptr<storage::ReadableFile>> opened =
          fs_.OpenForRead(DataPath(shard));
      if (absl::IsNotFound(opened.status())) {
        return base::DataLoss("its data file '{}' is missing", DataPath(shard));
      }
      DIME_RETURN_IF_ERROR(opened.status());
      file = *std::move(opened);
    }
    return file.get();
  }

  // Reads an extent from its start to its end, some rows at a time, and checks its CRC.
  // f(rows, bytes) for each of them.
  template <typename F>
  absl::Status Stream(std::string_view name, const Tensor& tensor, const Extent& extent,
                      const F& f) {
    const std::int64_t num_rows = extent.rows.count;
    const std::int64_t row_bytes = num_rows > 0 ? extent.place.size / num_rows : 0;
    const std::int64_t rows_at_once =
        row_bytes > 0 ? std::clamp<std::int64_t>(kChunkBytes / row_bytes, 1, num_rows) : 0;
    chunk_.resize(static_cast<std::size_t>(rows_at_once * row_bytes));
    std::uint32_t crc = 0;
    for (std::int64_t first = 0; row_bytes > 0 && first < num_rows; first += rows_at_once) {
      const std::int64_t count = std::min(rows_at_once, num_rows - first);
      const std::span<char> bytes(chunk_.data(), static_cast<std::size_t>(count * row_bytes));
      DIME_RETURN_IF_ERROR(ReadBytes(name, tensor, extent, first * row_bytes, bytes));
      crc = base::ExtendCrc32c(crc, bytes.data(), bytes.size());
      DIME_RETURN_IF_ERROR(f(RowRange{extent.rows.first + first, count}, bytes));
    }
    return CheckCrc(name, tensor, extent, crc);
  }

  // Of these rows those that are within the ranges.
  static absl::Status HandOver(const RowRange& rows, std::span<const char> bytes,
                               std::span<const RowRange> ranges, const RowSink& sink) {
    const std::int64_t row_floats =
        static_cast<std::int64_t>(bytes.size() / sizeof(float)) / rows.count;
    const auto* const floats = reinterpret_cast<const float*>(bytes.data());
    for (const RowRange& range : ranges) {
      if (range.first >= rows.first + rows.count) break;
      const std::int64_t first = std::max(range.first, rows.first);
      const std::int64_t end = std::min(range.first + range.count, rows.first + rows.count);
      if (first >= end) continue;
      DIME_RETURN_IF_ERROR(sink(first, {floats + (first - rows.first) * row_floats,
                                        static_cast<std::size_t>((end - first) * row_floats)}));
    }
    return absl::OkStatus();
  }

  absl::Status ReadBytes(std::string_view name, const Tensor& tensor, const Extent& extent,
                         std::int64_t start, std::span<char> out) {
    const Place& place = extent.place;
    DIME_ASSIGN_OR_RETURN(storage::ReadableFile* const file, DataFile(place.shard));
    DIME_ASSIGN_OR_RETURN(const std::size_t num_read, file->ReadAt(place.offset + start, out));
    if (num_read == out.size()) return absl::OkStatus();
    return base::DataLoss("{}: the file was cut: {} bytes at byte {}, expected {}",
                          Where(name, tensor, extent), num_read, place.offset + start, out.size());
  }

  [[nodiscard]] absl::Status CheckCrc(std::string_view name, const Tensor& tensor,
                                      const Extent& extent, std::uint32_t crc) const {
    const Place& place = extent.place;
    if (crc == place.crc) return absl::OkStatus();
    return base::DataLoss("{}: its {} bytes at byte {} are damaged: CRC {:08x}, expected {:08x}",
                          Where(name, tensor, extent), place.size, place.offset, crc, place.crc);
  }

  [[nodiscard]] std::string DataPath(int shard) const {
    return internal::DataPath(prefix_, shard, num_shards_);
  }
  [[nodiscard]] std::string Where(std::string_view name, const Tensor& tensor,
                                  const Extent& extent) const {
    return fmt::format("checkpoint data '{}': tensor '{}'{}", DataPath(extent.place.shard), name,
                       tensor.is_sliced ? ", " + DescribeRows(extent.rows) : "");
  }

  storage::FileSystem& fs_;
  std::string prefix_;
  int num_shards_ = 0;
  std::map<std::string, TensorInfo, std::less<>> infos_;
  std::map<std::string, Tensor, std::less<>> places_;
  std::map<int, std::unique_ptr<storage::ReadableFile>> files_;
  std::vector<char> chunk_;  // Kept for its memory.
};

BundleReader::BundleReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BundleReader::~BundleReader() = default;

absl::StatusOr<std::unique_ptr<BundleReader>> BundleReader::Open(storage::FileSystem& fs,
                                                                 const std::string& prefix) {
  auto impl = std::make_unique<Impl>(fs, prefix);
  DIME_RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<BundleReader>(new BundleReader(std::move(impl)));
}

const std::map<std::string, TensorInfo, std::less<>>& BundleReader::tensors() const {
  return impl_->infos();
}
const std::string& BundleReader::prefix() const { return impl_->prefix(); }
storage::FileSystem& BundleReader::file_system() const { return impl_->file_system(); }

absl::StatusOr<std::uint32_t> BundleReader::Crc(std::string_view name) const {
  return impl_->Crc(name);
}

absl::Status BundleReader::ReadFloats(std::string_view name, std::span<float> out) {
  DIME_ASSIGN_OR_RETURN(const Tensor* tensor, impl_->Find(name, DataType::kFloat));
  if (static_cast<std::uint64_t>(tensor->info.num_elements()) != out.size()) {
    return base::InvalidArgument("checkpoint '{}': the tensor '{}' is {}, expected {} values",
                                 prefix(), name, internal::Describe(tensor->info), out.size());
  }
  return impl_->Read(name, *tensor, {reinterpret_cast<char*>(out.data()), out.size_bytes()});
}

absl::Status BundleReader::ReadRows(std::string_view name, std::span<const RowRange> ranges,
                                    const RowSink& sink) {
  DIME_ASSIGN_OR_RETURN(const Tensor* tensor, impl_->Find(name, DataType::kFloat));
  std::int64_t end = 0;
  for (const RowRange& range : ranges) {
    if (range.first < end || range.count < 0 || range.first > tensor->num_rows() - range.count) {
      return base::InvalidArgument("checkpoint '{}': the tensor '{}' is {}: no {} rows from {} on",
                                   prefix(), name, internal::Describe(tensor->info), range.count,
                                   range.first);
    }
    end = range.first + range.count;
  }
  return impl_->ReadRows(name, *tensor, ranges, sink);
}

absl::StatusOr<std::int64_t> BundleReader::ReadInt64(std::string_view name) {
  DIME_ASSIGN_OR_RETURN(const Tensor* tensor, impl_->Find(name, DataType::kInt64));
  if (!tensor->info.shape.empty()) {
    return base::InvalidArgument("checkpoint '{}': the tensor '{}' is {}, expected a scalar",
                                 prefix(), name, internal::Describe(tensor->info));
  }
  std::int64_t value = 0;
  DIME_RETURN_IF_ERROR(
      impl_->Read(name, *tensor, {reinterpret_cast<char*>(&value), sizeof(value)}));
  return value;
}

absl::StatusOr<std::vector<std::int64_t>> BundleReader::ReadInt64s(std::string_view name) {
  DIME_ASSIGN_OR_RETURN(const Tensor* tensor, impl_->Find(name, DataType::kInt64));
  std::vector<std::int64_t> values(static_cast<std::size_t>(tensor->info.num_elements()));
  const std::span<std::int64_t> all(values);
  DIME_RETURN_IF_ERROR(
      impl_->Read(name, *tensor, {reinterpret_cast<char*>(all.data()), all.size_bytes()}));
  return values;
}

absl::StatusOr<std::vector<std::string>> BundleReader::ReadStrings(std::string_view name) {
  DIME_ASSIGN_OR_RETURN(const Tensor* tensor, impl_->Find(name, DataType::kString));
  return impl_->ReadStrings(name, *tensor);
}

absl::Status BundleReader::Verify() { return impl_->VerifyAll(); }

}  // namespace dime::checkpoint
