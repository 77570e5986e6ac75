#include "runtime/storage/input_stream.h"

#include <algorithm>
#include <utility>

#include "runtime/storage/internal/gzip_stream.h"

namespace dime::storage {
namespace {

constexpr std::size_t kReadToEndBytes = 1 << 20;

class PlainStream : public InputStream {
 public:
  PlainStream(std::unique_ptr<ReadableFile> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}

  absl::StatusOr<std::size_t> Read(std::span<char> buffer) override {
    const auto wanted = static_cast<std::size_t>(
        std::min<std::uint64_t>(buffer.size(), file_->size_bytes() - offset_));
    if (wanted == 0) return std::size_t{0};
    DIME_ASSIGN_OR_RETURN(const std::size_t got, file_->ReadAt(offset_, buffer.first(wanted)));
    if (got < wanted) {
      return base::DataLoss("'{}' became shorter while it was read: {} bytes, {} at first", path_,
                            offset_ + got, file_->size_bytes());
    }
    offset_ += got;
    return got;
  }

  [[nodiscard]] bool is_compressed() const override { return false; }
  [[nodiscard]] std::uint64_t file_bytes() const override { return file_->size_bytes(); }
  [[nodiscard]] std::uint64_t file_offset() const override { return offset_; }

 private:
  std::unique_ptr<ReadableFile> file_;
  std::string path_;
  std::uint64_t offset_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<InputStream>> OpenInputStream(FileSystem& file_system,
                                                             const std::string& path) {
  DIME_ASSIGN_OR_RETURN(auto file, file_system.OpenForRead(path));
  return MakeInputStream(std::move(file), path);
}

absl::StatusOr<std::unique_ptr<InputStream>> MakeInputStream(std::unique_ptr<ReadableFile> file,
                                                             const std::string& path) {
  char start[internal::kGzipMagicBytes];
  DIME_ASSIGN_OR_RETURN(const std::size_t got, file->ReadAt(0, start));
  if (internal::LooksLikeGzip({start, got})) return internal::NewGzipStream(std::move(file), path);
  return std::make_unique<PlainStream>(std::move(file), path);
}

absl::StatusOr<std::string> ReadToEnd(InputStream& stream, const std::string& path,
                                      std::uint64_t max_bytes) {
  std::string contents;
  for (;;) {
    const std::size_t start = contents.size();
    contents.resize(start + kReadToEndBytes);
    DIME_ASSIGN_OR_RETURN(const std::size_t got, stream.Read(std::span(contents).subspan(start)));
    contents.resize(start + got);
    if (contents.size() > max_bytes) {
      return base::OutOfRange("read '{}': it has more than the {} bytes that may be read{}", path,
                              max_bytes, stream.is_compressed() ? " when decompressed" : "");
    }
    if (got < kReadToEndBytes) return contents;
  }
}

}  // namespace dime::storage
