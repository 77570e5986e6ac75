#include "worker/input/file_window.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace dime::worker {

absl::StatusOr<FileWindow> FileWindow::Open(storage::FileSystem& file_system,
                                            const std::string& path, std::size_t capacity_bytes) {
  DIME_ASSIGN_OR_RETURN(auto stream, storage::OpenInputStream(file_system, path));
  if (!stream->is_compressed()) {
    // One byte more than there is, so that the first Fill() sees the end.
    capacity_bytes =
        static_cast<std::size_t>(std::min<std::uint64_t>(capacity_bytes, stream->file_bytes() + 1));
  }
  return FileWindow(std::move(stream), capacity_bytes);
}

FileWindow::FileWindow(std::unique_ptr<storage::InputStream> stream, std::size_t capacity_bytes)
    : stream_(std::move(stream)),
      capacity_(capacity_bytes),
      buffer_(std::make_unique_for_overwrite<char[]>(capacity_bytes)) {}

absl::Status FileWindow::Fill() {
  if (begin_ > 0) std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  end_ -= std::exchange(begin_, 0);
  const std::span<char> room(buffer_.get() + end_, capacity_ - end_);
  DIME_ASSIGN_OR_RETURN(const std::size_t got, stream_->Read(room));
  end_ += got;
  at_end_ = got < room.size();
  return absl::OkStatus();
}

}  // namespace dime::worker
