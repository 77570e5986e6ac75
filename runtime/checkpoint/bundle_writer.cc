#include <bit>
#include <optional>
#include <utility>

#include "runtime/base/crc32c.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/internal/bundle_format.h"
#include "runtime/checkpoint/internal/index_table.h"
#include "runtime/checkpoint/proto/tensor_bundle.pb.h"

namespace dime::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "bundles hold numbers as in memory");

template <typename T>
std::string_view BytesOf(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

std::string Header() {
  proto::BundleHeaderProto header;
  header.set_num_shards(1);
  header.mutable_version()->set_producer(internal::kBundleVersion);
  return header.SerializeAsString();
}

}  // namespace

class BundleWriter::Impl {
 public:
  Impl(storage::FileSystem& fs, std::string prefix, std::unique_ptr<storage::AtomicFile> data)
      : fs_(fs), prefix_(std::move(prefix)), data_(std::move(data)) {
    entries_.emplace("", Header());
  }

  absl::Status Begin(const std::string& name, DataType type, std::span<const std::int64_t> shape) {
    DIME_RETURN_IF_ERROR(CheckNothingOpen());
    // "" is the header's key; keys that start with NUL are those of partitioned tensors.
    if (name.empty() || name.find('\0') != std::string::npos) {
      return base::InvalidArgument("write '{}': '{}' is no name for a tensor", prefix_, name);
    }
    if (entries_.contains(name)) {
      return base::InvalidArgument("write '{}': the tensor '{}' is there twice", prefix_, name);
    }
    TensorInfo info{type, {shape.begin(), shape.end()}};
    const auto size = internal::CheckedProduct(shape, *internal::ElementBytes(type));
    if (!size.has_value()) {
      return base::InvalidArgument("write '{}': the tensor '{}' cannot be {}", prefix_, name,
                                   internal::Describe(info));
    }
    open_ = OpenTensor{name, std::move(info), *size, 0, 0};
    return absl::OkStatus();
  }

  absl::Status Append(std::string_view bytes) {
    if (!open_.has_value()) {
      return base::FailedPrecondition("write '{}': no tensor was begun", prefix_);
    }
    if (bytes.size() > static_cast<std::uint64_t>(open_->size - open_->written)) {
      return base::InvalidArgument("write '{}': more values for the tensor '{}' than {} has",
                                   prefix_, open_->name, internal::Describe(open_->info));
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
                                   prefix_, open_->written, open_->name,
                                   internal::Describe(open_->info), open_->size);
    }
    entries_.emplace(open_->name, Entry());
    offset_ += open_->size;
    open_.reset();
    return absl::OkStatus();
  }

  absl::Status Finish() {
    DIME_RETURN_IF_ERROR(CheckNothingOpen());
    const std::string index_path = internal::IndexPath(prefix_);
    // A bundle of that name that is being replaced: its index must not stand beside the new data.
    DIME_RETURN_IF_ERROR(fs_.DeleteFile(index_path));
    DIME_RETURN_IF_ERROR(data_->Commit());
    return fs_.WriteAtomically(index_path, internal::BuildIndexTable(entries_));
  }

 private:
  struct OpenTensor {
    std::string name;
    TensorInfo info;
    std::int64_t size = 0;     // [bytes]
    std::int64_t written = 0;  // [bytes]
    std::uint32_t crc = 0;
  };

  [[nodiscard]] absl::Status CheckNothingOpen() const {
    if (!open_.has_value()) return absl::OkStatus();
    return base::FailedPrecondition("write '{}': the tensor '{}' was begun and not ended", prefix_,
                                    open_->name);
  }

  // The index's entry for the open tensor.
  [[nodiscard]] std::string Entry() const {
    proto::BundleEntryProto entry;
    entry.set_dtype(static_cast<records::proto::DataType>(open_->info.type));
    entry.mutable_shape();  // Present and empty: a scalar.
    for (const std::int64_t size : open_->info.shape) {
      entry.mutable_shape()->add_dim()->set_size(size);
    }
    entry.set_offset(offset_);
    entry.set_size(open_->size);
    entry.set_crc32c(base::MaskCrc32c(open_->crc));
    return entry.SerializeAsString();
  }

  storage::FileSystem& fs_;
  std::string prefix_;
  std::unique_ptr<storage::AtomicFile> data_;
  std::int64_t offset_ = 0;  // Where the next tensor starts in the data file.
  internal::IndexEntries entries_;
  std::optional<OpenTensor> open_;
};

BundleWriter::BundleWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BundleWriter::~BundleWriter() = default;

absl::StatusOr<std::unique_ptr<BundleWriter>> BundleWriter::Create(storage::FileSystem& fs,
                                                                   const std::string& prefix) {
  DIME_ASSIGN_OR_RETURN(auto data, fs.CreateAtomically(internal::DataPath(prefix, 0, 1)));
  return std::unique_ptr<BundleWriter>(
      new BundleWriter(std::make_unique<Impl>(fs, prefix, std::move(data))));
}

absl::Status BundleWriter::AddFloats(const std::string& name, std::span<const std::int64_t> shape,
                                     std::span<const float> values) {
  DIME_RETURN_IF_ERROR(BeginFloats(name, shape));
  DIME_RETURN_IF_ERROR(AppendFloats(values));
  return EndTensor();
}

absl::Status BundleWriter::AddInt64(const std::string& name, std::int64_t value) {
  DIME_RETURN_IF_ERROR(impl_->Begin(name, DataType::kInt64, {}));
  DIME_RETURN_IF_ERROR(impl_->Append(BytesOf(std::span<const std::int64_t>(&value, 1))));
  return impl_->End();
}

absl::Status BundleWriter::BeginFloats(const std::string& name,
                                       std::span<const std::int64_t> shape) {
  return impl_->Begin(name, DataType::kFloat, shape);
}

absl::Status BundleWriter::AppendFloats(std::span<const float> values) {
  return impl_->Append(BytesOf(values));
}

absl::Status BundleWriter::EndTensor() { return impl_->End(); }

absl::Status BundleWriter::Finish() { return impl_->Finish(); }

}  // namespace dime::checkpoint
