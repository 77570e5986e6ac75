#include "runtime/checkpoint/internal/data_file_writer.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>
#include <vector>

#include "runtime/base/crc32c.h"
#include "runtime/checkpoint/internal/bundle_format.h"
#include "runtime/checkpoint/internal/row_slices.h"
#include "runtime/checkpoint/proto/tensor_bundle.pb.h"

namespace dime::checkpoint::internal {
namespace {

static_assert(std::endian::native == std::endian::little, "bundles hold numbers as in memory");

std::string Header(int num_parts) {
  proto::BundleHeaderProto header;
  header.set_num_shards(num_parts);
  header.mutable_version()->set_producer(kBundleVersion);
  return header.SerializeAsString();
}

// An entry of that type and shape, and nothing else.
proto::BundleEntryProto EntryOf(const TensorInfo& info) {
  proto::BundleEntryProto entry;
  entry.set_dtype(static_cast<records::proto::DataType>(info.type));
  entry.mutable_shape();  // Present and empty: a scalar.
  for (const std::int64_t size : info.shape) entry.mutable_shape()->add_dim()->set_size(size);
  return entry;
}

}  // namespace

class DataFileWriter::Impl {
 public:
  Impl(std::string prefix, int part, int num_parts, std::unique_ptr<storage::AtomicFile> data)
      : prefix_(std::move(prefix)), part_(part), data_(std::move(data)) {
    entries_.emplace("", Header(num_parts));
  }

  absl::Status Begin(const std::string& name, DataType type, std::span<const std::int64_t> shape) {
    DIME_RETURN_IF_ERROR(CheckName(name));
    if (entries_.contains(name) || sliced_.contains(name)) {
      return base::InvalidArgument("write '{}': the tensor '{}' is there twice", prefix_, name);
    }
    return Open(name, name, {type, {shape.begin(), shape.end()}});
  }

  absl::Status BeginRows(const std::string& name, std::span<const std::int64_t> shape,
                         std::int64_t first, std::int64_t count) {
    const std::int64_t num_rows = NumRows(shape);
    if (first == 0 && count == num_rows) return Begin(name, DataType::kFloat, shape);
    DIME_RETURN_IF_ERROR(CheckName(name));
    if (shape.empty() || first < 0 || count <= 0 || count > num_rows || first > num_rows - count) {
      return base::InvalidArgument("write '{}': the tensor '{}' of {} rows has no {} from {} on",
                                   prefix_, name, num_rows, count, first);
    }
    const TensorInfo whole{DataType::kFloat, {shape.begin(), shape.end()}};
    const proto::TensorSliceProto slice = MakeRowSlice(shape, first, count);
    std::string key = SliceKey(name, slice);
    if (entries_.contains(name) || entries_.contains(key)) {
      return base::InvalidArgument("write '{}': rows of the tensor '{}' are there twice", prefix_,
                                   name);
    }
    const auto [found, is_new] = sliced_.try_emplace(name, EntryOf(whole));
    if (!is_new &&
        found->second.shape().SerializeAsString() != EntryOf(whole).shape().SerializeAsString()) {
      return base::InvalidArgument("write '{}': the tensor '{}' has two shapes", prefix_, name);
    }
    *found->second.add_slices() = slice;
    TensorInfo info = whole;
    info.shape.front() = count;
    return Open(name, std::move(key), std::move(info));
  }

  absl::Status Append(std::string_view bytes) {
    if (!open_.has_value()) {
      return base::FailedPrecondition("write '{}': no tensor was begun", prefix_);
    }
    if (bytes.size() > static_cast<std::uint64_t>(open_->size - open_->written)) {
      return base::InvalidArgument("write '{}': more values for the tensor '{}' than {} has",
                                   prefix_, open_->name, Describe(open_->info));
    }
    DIME_RETURN_IF_ERROR(data_->Append(bytes));
    open_->written += static_cast<std::int64_t>(bytes.size());
    open_->crc = base::ExtendCrc32c(open_->crc, bytes.data(), bytes.size());
    return absl::OkStatus();
  }

  absl::Status End() {
    if (!open_.has_value()) {
      return base::FailedPrecondition("write '{}': no tensor was begun", prefix_);
    }
    if (open_->written != open_->size) {
      return base::InvalidArgument("write '{}': {} bytes of the tensor '{}', which is {}: {} bytes",
                                   prefix_, open_->written, open_->name, Describe(open_->info),
                                   open_->size);
    }
    proto::BundleEntryProto entry = EntryOf(open_->info);
    entry.set_shard_id(part_);
    entry.set_offset(offset_);
    entry.set_size(open_->size);
    entry.set_crc32c(base::MaskCrc32c(open_->crc));
    entries_.emplace(open_->key, entry.SerializeAsString());
    offset_ += open_->size;
    open_.reset();
    return absl::OkStatus();
  }

  [[nodiscard]] absl::Status CheckNothingOpen() const {
    if (!open_.has_value()) return absl::OkStatus();
    return base::FailedPrecondition("write '{}': the tensor '{}' was begun and not ended", prefix_,
                                    open_->name);
  }

  absl::Status Commit() {
    DIME_RETURN_IF_ERROR(CheckNothingOpen());
    DIME_RETURN_IF_ERROR(data_->Commit());
    for (const auto& [name, entry] : sliced_) entries_[name] = entry.SerializeAsString();
    return absl::OkStatus();
  }

  [[nodiscard]] const IndexEntries& entries() const { return entries_; }
  [[nodiscard]] const std::string& prefix() const { return prefix_; }

 private:
  struct OpenTensor {
    std::string name;
    std::string key;  // Of its entry.
    TensorInfo info;
    std::int64_t size = 0;     // [bytes]
    std::int64_t written = 0;  // [bytes]
    std::uint32_t crc = 0;
  };

  [[nodiscard]] absl::Status CheckName(const std::string& name) const {
    DIME_RETURN_IF_ERROR(CheckNothingOpen());
    // "" is the header's key; keys that start with NUL are those of slices.
    if (!name.empty() && name.find(kSliceKeyStart) == std::string::npos) return absl::OkStatus();
    return base::InvalidArgument("write '{}': '{}' is no name for a tensor", prefix_, name);
  }

  absl::Status Open(const std::string& name, std::string key, TensorInfo info) {
    const auto size = CheckedProduct(info.shape, *ElementBytes(info.type));
    if (!size.has_value()) {
      return base::InvalidArgument("write '{}': the tensor '{}' cannot be {}", prefix_, name,
                                   Describe(info));
    }
    open_ = OpenTensor{name, std::move(key), std::move(info), *size, 0, 0};
    return absl::OkStatus();
  }

  std::string prefix_;
  int part_;
  std::unique_ptr<storage::AtomicFile> data_;
  std::int64_t offset_ = 0;  // Where the next tensor starts in the data file.
  IndexEntries entries_;
  std::map<std::string, proto::BundleEntryProto> sliced_;  // Of whole tensors, by name.
  std::optional<OpenTensor> open_;
};

DataFileWriter::DataFileWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DataFileWriter::~DataFileWriter() = default;

absl::StatusOr<std::unique_ptr<DataFileWriter>> DataFileWriter::Create(storage::FileSystem& fs,
                                                                       const std::string& prefix,
                                                                       int part, int num_parts) {
  if (part < 0 || part >= num_parts || num_parts > kMaxDataFiles) {
    return base::InvalidArgument("write '{}': there is no data file {} of {}", prefix, part,
                                 num_parts);
  }
  DIME_ASSIGN_OR_RETURN(auto data, fs.CreateAtomically(DataPath(prefix, part, num_parts)));
  return std::unique_ptr<DataFileWriter>(
      new DataFileWriter(std::make_unique<Impl>(prefix, part, num_parts, std::move(data))));
}

absl::Status DataFileWriter::Begin(const std::string& name, DataType type,
                                   std::span<const std::int64_t> shape) {
  return impl_->Begin(name, type, shape);
}
absl::Status DataFileWriter::BeginRows(const std::string& name, std::span<const std::int64_t> shape,
                                       std::int64_t first, std::int64_t count) {
  return impl_->BeginRows(name, shape, first, count);
}
absl::Status DataFileWriter::Append(std::string_view bytes) { return impl_->Append(bytes); }
absl::Status DataFileWriter::End() { return impl_->End(); }
absl::Status DataFileWriter::CheckNothingOpen() const { return impl_->CheckNothingOpen(); }
absl::Status DataFileWriter::Commit() { return impl_->Commit(); }
const IndexEntries& DataFileWriter::entries() const { return impl_->entries(); }
const std::string& DataFileWriter::prefix() const { return impl_->prefix(); }

}  // namespace dime::checkpoint::internal
