#include "runtime/storage/internal/gzip_stream.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "runtime/base/check.h"

namespace dime::storage::internal {
namespace {

constexpr std::size_t kInputBytes = 256 << 10;
constexpr int kGzipOnly = 16 + MAX_WBITS;  // As inflateInit2() takes it.

// Where in the file the decompressor is: what comes next.
enum class Place { kMemberStart, kMember, kPadding, kEnd };

class GzipStream : public InputStream {
 public:
  GzipStream(std::unique_ptr<ReadableFile> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)), input_(kInputBytes) {}
  ~GzipStream() override { ::inflateEnd(&inflater_); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  absl::Status Initialize() {
    if (::inflateInit2(&inflater_, kGzipOnly) == Z_OK) return absl::OkStatus();
    return base::ResourceExhausted("read '{}': no memory to decompress it", path_);
  }

  absl::StatusOr<std::size_t> Read(std::span<char> buffer) override {
    DIME_RETURN_IF_ERROR(failure_);
    std::size_t total = 0;
    while (total < buffer.size() && place_ != Place::kEnd) {
      absl::StatusOr<std::size_t> got = ReadSome(buffer.subspan(total));
      if (!got.ok()) return failure_ = got.status();
      total += *got;
    }
    return total;
  }

  [[nodiscard]] bool is_compressed() const override { return true; }
  [[nodiscard]] std::uint64_t file_bytes() const override { return file_->size_bytes(); }
  [[nodiscard]] std::uint64_t file_offset() const override { return fetched_ - inflater_.avail_in; }

 private:
  // Moves on by a step, which may give nothing yet.
  absl::StatusOr<std::size_t> ReadSome(std::span<char> buffer) {
    DIME_RETURN_IF_ERROR(Fetch());
    const bool no_more = inflater_.avail_in == 0;
    switch (place_) {
      case Place::kMemberStart:
        place_ = no_more ? Place::kEnd : *inflater_.next_in == 0 ? Place::kPadding : Place::kMember;
        return std::size_t{0};
      case Place::kMember:
        if (no_more) return Damaged("it ends in the middle; was it copied or downloaded whole?");
        return Inflate(buffer);
      case Place::kPadding:
        return SkipPadding();
      case Place::kEnd:
        break;
    }
    return std::size_t{0};
  }

  absl::StatusOr<std::size_t> Inflate(std::span<char> buffer) {
    const std::size_t room = std::min<std::size_t>(buffer.size(), std::numeric_limits<uInt>::max());
    inflater_.next_out = reinterpret_cast<Bytef*>(buffer.data());
    inflater_.avail_out = static_cast<uInt>(room);
    const int result = ::inflate(&inflater_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      place_ = Place::kMemberStart;
      DIME_CHECK(::inflateReset(&inflater_) == Z_OK);
    } else if (result == Z_MEM_ERROR) {
      return base::ResourceExhausted("read '{}': no memory to decompress it", path_);
    } else if (result != Z_OK) {
      return Damaged(inflater_.msg != nullptr ? inflater_.msg : "it cannot be decompressed");
    }
    return room - inflater_.avail_out;
  }

  absl::StatusOr<std::size_t> SkipPadding() {
    for (; inflater_.avail_in > 0; --inflater_.avail_in, ++inflater_.next_in) {
      if (*inflater_.next_in != 0) return Damaged("what follows its end is no gzip data");
    }
    if (fetched_ == file_->size_bytes()) place_ = Place::kEnd;
    return std::size_t{0};
  }

  // Makes more of the file ready when all was taken.
  absl::Status Fetch() {
    if (inflater_.avail_in > 0) return absl::OkStatus();
    const auto wanted = static_cast<std::size_t>(
        std::min<std::uint64_t>(input_.size(), file_->size_bytes() - fetched_));
    if (wanted == 0) return absl::OkStatus();
    DIME_ASSIGN_OR_RETURN(const std::size_t got,
                          file_->ReadAt(fetched_, std::span(input_).first(wanted)));
    if (got < wanted) {
      return base::DataLoss("'{}' became shorter while it was read: {} bytes, {} at first", path_,
                            fetched_ + got, file_->size_bytes());
    }
    fetched_ += got;
    inflater_.next_in = reinterpret_cast<Bytef*>(input_.data());
    inflater_.avail_in = static_cast<uInt>(got);
    return absl::OkStatus();
  }

  [[nodiscard]] absl::Status Damaged(std::string_view reason) const {
    return base::DataLoss("'{}' is a damaged gzip file: at its byte {} of {}: {}", path_,
                          file_offset(), file_bytes(), reason);
  }

  std::unique_ptr<ReadableFile> file_;
  std::string path_;
  std::vector<char> input_;
  std::uint64_t fetched_ = 0;  // How much of the file was read into input_.
  z_stream inflater_ = {};
  Place place_ = Place::kMemberStart;
  absl::Status failure_;  // Every call after a failure returns it again.
};

}  // namespace

// RFC 1952, 2.3.1: two bytes of identification, and 8 for deflate, the one method there is. A
// TFRecord file may start with the first two.
bool LooksLikeGzip(std::string_view start) {
  constexpr std::string_view kMagic = "\x1f\x8b\x08";
  return start.size() >= 2 && kMagic.starts_with(start.substr(0, kMagic.size()));
}

absl::StatusOr<std::unique_ptr<InputStream>> NewGzipStream(std::unique_ptr<ReadableFile> file,
                                                           const std::string& path) {
  auto stream = std::make_unique<GzipStream>(std::move(file), path);
  DIME_RETURN_IF_ERROR(stream->Initialize());
  return stream;
}

}  // namespace dime::storage::internal
