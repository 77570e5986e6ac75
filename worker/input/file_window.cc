#include "worker/input/text_window.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace dime::worker {

absl::StatusOr<TextWindow> TextWindow::Open(storage::FileSystem& file_system,
                                            const std::string& path, std::size_t capacity_bytes) {
  DIME_ASSIGN_OR_RETURN(auto file, file_system.OpenForRead(path));
  const auto bytes = std::min<std::uint64_t>(capacity_bytes, file->size_bytes());
  return TextWindow(std::move(file), path, static_cast<std::size_t>(bytes));
}

TextWindow::TextWindow(std::unique_ptr<storage::ReadableFile> file, const std::string& path,
                       std::size_t capacity_bytes)
    : file_(std::move(file)), path_(path), buffer_(capacity_bytes) {}

absl::Status TextWindow::Fill() {
  if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= std::exchange(begin_, 0);
  const std::uint64_t left_bytes = file_->size_bytes() - offset_;
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size() - end_, left_bytes));
  if (wanted == 0) return absl::OkStatus();
  DIME_ASSIGN_OR_RETURN(const std::size_t got,
                        file_->ReadAt(offset_, std::span(buffer_).subspan(end_, wanted)));
  if (got < wanted) {
    return base::DataLoss("'{}' became shorter while it was read: {} bytes, {} at first", path_,
                          offset_ + got, file_->size_bytes());
  }
  end_ += got;
  offset_ += got;
  return absl::OkStatus();
}

}  // namespace dime::worker
