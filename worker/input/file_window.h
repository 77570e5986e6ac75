// worker/input/text_window.h - a file's text, a large piece at a time, in memory that does not
// grow.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::worker {

class TextWindow {
 public:
  // Shows at most `capacity_bytes` at a time.
  static absl::StatusOr<TextWindow> Open(storage::FileSystem& file_system, const std::string& path,
                                         std::size_t capacity_bytes);

  // Reads until the window is full or the file ends.
  absl::Status Fill();

  // The text that was read and not consumed.
  [[nodiscard]] std::string_view text() const { return {buffer_.data() + begin_, end_ - begin_}; }
  // Whether the text reaches the end of the file.
  [[nodiscard]] bool at_end() const { return offset_ == file_->size_bytes(); }
  [[nodiscard]] std::uint64_t file_bytes() const { return file_->size_bytes(); }

  void Consume(std::size_t num_bytes) { begin_ += num_bytes; }

 private:
  TextWindow(std::unique_ptr<storage::ReadableFile> file, const std::string& path,
             std::size_t capacity_bytes);

  std::unique_ptr<storage::ReadableFile> file_;
  std::string path_;
  std::uint64_t offset_ = 0;  // How much of the file was read.
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // The text is buffer_[begin_, end_).
  std::size_t end_ = 0;
};

}  // namespace dime::worker
