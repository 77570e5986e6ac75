#include <utility>

#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/internal/bundle_format.h"
#include "runtime/checkpoint/internal/data_file_writer.h"

namespace dime::checkpoint {
namespace {

template <typename T>
std::string_view BytesOf(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

}  // namespace

class BundleWriter::Impl {
 public:
  Impl(storage::FileSystem& fs, std::unique_ptr<internal::DataFileWriter> data)
      : fs_(fs), data_(std::move(data)) {}

  [[nodiscard]] internal::DataFileWriter& data() { return *data_; }

  absl::Status Finish() {
    DIME_RETURN_IF_ERROR(data_->CheckNothingOpen());
    const std::string index_path = internal::IndexPath(data_->prefix());
    // A bundle of that name that is being replaced: its index must not stand beside the new data.
    DIME_RETURN_IF_ERROR(fs_.DeleteFile(index_path));
    DIME_RETURN_IF_ERROR(data_->Commit());
    return fs_.WriteAtomically(index_path, internal::BuildIndexTable(data_->entries()));
  }

 private:
  storage::FileSystem& fs_;
  std::unique_ptr<internal::DataFileWriter> data_;
};

BundleWriter::BundleWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BundleWriter::~BundleWriter() = default;

absl::StatusOr<std::unique_ptr<BundleWriter>> BundleWriter::Create(storage::FileSystem& fs,
                                                                   const std::string& prefix) {
  DIME_ASSIGN_OR_RETURN(auto data, internal::DataFileWriter::Create(fs, prefix, 0, 1));
  return std::unique_ptr<BundleWriter>(
      new BundleWriter(std::make_unique<Impl>(fs, std::move(data))));
}

absl::Status BundleWriter::AddFloats(const std::string& name, std::span<const std::int64_t> shape,
                                     std::span<const float> values) {
  DIME_RETURN_IF_ERROR(BeginFloats(name, shape));
  DIME_RETURN_IF_ERROR(AppendFloats(values));
  return EndTensor();
}

absl::Status BundleWriter::AddInt64(const std::string& name, std::int64_t value) {
  DIME_RETURN_IF_ERROR(impl_->data().Begin(name, DataType::kInt64, {}));
  DIME_RETURN_IF_ERROR(impl_->data().Append(BytesOf(std::span<const std::int64_t>(&value, 1))));
  return impl_->data().End();
}

absl::Status BundleWriter::AddInt64s(const std::string& name,
                                     std::span<const std::int64_t> values) {
  const std::int64_t size = std::ssize(values);
  DIME_RETURN_IF_ERROR(impl_->data().Begin(name, DataType::kInt64, {&size, 1}));
  DIME_RETURN_IF_ERROR(impl_->data().Append(BytesOf(values)));
  return impl_->data().End();
}

absl::Status BundleWriter::BeginFloats(const std::string& name,
                                       std::span<const std::int64_t> shape) {
  return impl_->data().Begin(name, DataType::kFloat, shape);
}

absl::Status BundleWriter::AppendFloats(std::span<const float> values) {
  return impl_->data().Append(BytesOf(values));
}

absl::Status BundleWriter::EndTensor() { return impl_->data().End(); }

absl::Status BundleWriter::Finish() { return impl_->Finish(); }

}  // namespace dime::checkpoint
