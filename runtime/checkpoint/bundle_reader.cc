#include <algorithm>
#include <optional>
#include <utility>

#include "runtime/base/crc32c.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/internal/bundle_format.h"
#include "runtime/checkpoint/internal/index_table.h"
#include "runtime/checkpoint/internal/string_tensor.h"
#include "runtime/checkpoint/proto/tensor_bundle.pb.h"
#include "runtime/records/parse_message.h"

namespace dime::checkpoint {
namespace {

constexpr std::size_t kVerifyChunkBytes = std::size_t{1} << 20;
constexpr std::int64_t kMaxStringBytes = std::int64_t{64} << 20;

// Where a tensor's bytes lie.
struct Place {
  int shard = 0;
  std::int64_t offset = 0;
  std::int64_t size = 0;
  std::uint32_t crc = 0;  // Not masked.
};

struct Tensor {
  TensorInfo info;
  Place place;
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
  constexpr int kMaxShards = 100000;  // File names have five digits.
  if (header.num_shards() < 1 || header.num_shards() >= kMaxShards) {
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

absl::StatusOr<Tensor> ParseEntry(std::string_view value, int num_shards) {
  proto::BundleEntryProto entry;
  if (!records::ParseMessage(value, &entry)) return base::DataLoss("its entry is malformed");
  if (entry.slices_size() > 0) {
    return base::Unimplemented(
        "it is partitioned into {} slices; save it as one tensor (without a partitioner) to use it",
        entry.slices_size());
  }
  Tensor tensor;
  tensor.info.type = static_cast<DataType>(entry.dtype());
  for (const auto& dim : entry.shape().dim()) tensor.info.shape.push_back(dim.size());
  tensor.place = {entry.shard_id(), entry.offset(), entry.size(),
                  base::UnmaskCrc32c(entry.crc32c())};
  if (entry.shape().unknown_rank()) return base::DataLoss("its shape is unknown");
  if (tensor.place.shard < 0 || tensor.place.shard >= num_shards) {
    return base::DataLoss("it lies in data file {}, expected 0 to {}", tensor.place.shard,
                          num_shards - 1);
  }
  if (tensor.place.offset < 0 || tensor.place.size < 0) {
    return base::DataLoss("it lies at byte {} with {} bytes", tensor.place.offset,
                          tensor.place.size);
  }
  DIME_RETURN_IF_ERROR(CheckSize(tensor.info, tensor.place.size));
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
    DIME_RETURN_IF_ERROR(ReadBytes(name, tensor, 0, out));
    return CheckCrc(name, tensor, base::ExtendCrc32c(0, out.data(), out.size()));
  }

  absl::StatusOr<std::vector<std::string>> ReadStrings(std::string_view name,
                                                       const Tensor& tensor) {
    if (tensor.place.size > kMaxStringBytes) {
      return base::OutOfRange("{}: it has {} bytes of strings, more than the {} that are read",
                              Where(name, tensor), tensor.place.size, kMaxStringBytes);
    }
    std::string bytes(tensor.place.size, '\0');
    DIME_RETURN_IF_ERROR(ReadBytes(name, tensor, 0, bytes));
    absl::StatusOr<internal::StringTensor> strings =
        internal::ParseStringTensor(bytes, tensor.info.num_elements());
    if (!strings.ok()) return base::Annotate(strings.status(), Where(name, tensor));
    DIME_RETURN_IF_ERROR(CheckCrc(name, tensor, strings->crc));
    return std::move(strings->values);
  }

  absl::Status Verify(std::string_view name, const Tensor& tensor) {
    if (tensor.info.type == DataType::kString) return ReadStrings(name, tensor).status();
    std::vector<char> chunk(std::min<std::uint64_t>(kVerifyChunkBytes, tensor.place.size));
    std::uint32_t crc = 0;
    for (std::int64_t start = 0; start < tensor.place.size;) {
      const auto left = static_cast<std::size_t>(tensor.place.size - start);
      const std::span<char> part(chunk.data(), std::min(chunk.size(), left));
      DIME_RETURN_IF_ERROR(ReadBytes(name, tensor, start, part));
      crc = base::ExtendCrc32c(crc, part.data(), part.size());
      start += static_cast<std::int64_t>(part.size());
    }
    return CheckCrc(name, tensor, crc);
  }

  absl::Status VerifyAll() {
    for (const auto& [name, tensor] : places_) DIME_RETURN_IF_ERROR(Verify(name, tensor));
    return absl::OkStatus();
  }

  const std::map<std::string, TensorInfo, std::less<>>& infos() const { return infos_; }
  const std::string& prefix() const { return prefix_; }

 private:
  absl::Status ReadIndex(std::string_view file) {
    DIME_ASSIGN_OR_RETURN(const internal::IndexEntries entries, internal::ParseIndexTable(file));
    DIME_ASSIGN_OR_RETURN(num_shards_, ParseHeader(entries));
    for (const auto& [name, value] : entries) {
      if (name.empty()) continue;
      absl::StatusOr<Tensor> tensor = ParseEntry(value, num_shards_);
      absl::Status status = tensor.status();
      if (status.ok()) status = CheckPlace(tensor->place);
      if (!status.ok()) return base::Annotate(status, fmt::format("tensor '{}'", name));
      infos_.emplace(name, tensor->info);
      places_.emplace(name, *std::move(tensor));
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

  absl::Status ReadBytes(std::string_view name, const Tensor& tensor, std::int64_t start,
                         std::span<char> out) {
    DIME_ASSIGN_OR_RETURN(storage::ReadableFile* const file, DataFile(tensor.place.shard));
    DIME_ASSIGN_OR_RETURN(const std::size_t num_read,
                          file->ReadAt(tensor.place.offset + start, out));
    if (num_read == out.size()) return absl::OkStatus();
    return base::DataLoss("{}: the file was cut: {} bytes at byte {}, expected {}",
                          Where(name, tensor), num_read, tensor.place.offset + start, out.size());
  }

  [[nodiscard]] absl::Status CheckCrc(std::string_view name, const Tensor& tensor,
                                      std::uint32_t crc) const {
    if (crc == tensor.place.crc) return absl::OkStatus();
    return base::DataLoss("{}: its {} bytes at byte {} are damaged: CRC {:08x}, expected {:08x}",
                          Where(name, tensor), tensor.place.size, tensor.place.offset, crc,
                          tensor.place.crc);
  }

  [[nodiscard]] std::string DataPath(int shard) const {
    return internal::DataPath(prefix_, shard, num_shards_);
  }
  [[nodiscard]] std::string Where(std::string_view name, const Tensor& tensor) const {
    return fmt::format("checkpoint data '{}': tensor '{}'", DataPath(tensor.place.shard), name);
  }

  storage::FileSystem& fs_;
  std::string prefix_;
  int num_shards_ = 0;
  std::map<std::string, TensorInfo, std::less<>> infos_;
  std::map<std::string, Tensor, std::less<>> places_;
  std::map<int, std::unique_ptr<storage::ReadableFile>> files_;
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

absl::Status BundleReader::ReadFloats(std::string_view name, std::span<float> out) {
  DIME_ASSIGN_OR_RETURN(const Tensor* tensor, impl_->Find(name, DataType::kFloat));
  if (static_cast<std::uint64_t>(tensor->info.num_elements()) != out.size()) {
    return base::InvalidArgument("checkpoint '{}': the tensor '{}' is {}, expected {} values",
                                 prefix(), name, internal::Describe(tensor->info), out.size());
  }
  return impl_->Read(name, *tensor, {reinterpret_cast<char*>(out.data()), out.size_bytes()});
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

absl::StatusOr<std::vector<std::string>> BundleReader::ReadStrings(std::string_view name) {
  DIME_ASSIGN_OR_RETURN(const Tensor* tensor, impl_->Find(name, DataType::kString));
  return impl_->ReadStrings(name, *tensor);
}

absl::Status BundleReader::Verify() { return impl_->VerifyAll(); }

}  // namespace dime::checkpoint
