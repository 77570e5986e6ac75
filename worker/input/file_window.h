// worker/input/file_window.h - a file's contents, a large piece at a time, in memory that does not
// grow; decompressed where the file is compressed.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"
#include "runtime/storage/input_stream.h"

namespace dime::worker {

class FileWindow {
 public:
  // Shows at most `capacity_bytes` at a time.
  static absl::StatusOr<FileWindow> Open(storage::FileSystem& file_system, const std::string& path,
                                         std::size_t capacity_bytes);

  // Reads until the window is full or the file ends.
  absl::Status Fill();

  // What was read and not consumed.
  [[nodiscard]] std::string_view text() const { return {buffer_.get() + begin_, end_ - begin_}; }
  // Whether the text reaches the end of the file. Where the window is full it may do so unknown.
  [[nodiscard]] bool at_end() const { return at_end_; }
  // Where the text starts in the file, or in what it decompresses to.
  [[nodiscard]] std::uint64_t offset() const { return consumed_; }

  void Consume(std::size_t num_bytes) {
    begin_ += num_bytes;
    consumed_ += num_bytes;
  }

  // What lies on disk.
  [[nodiscard]] const storage::InputStream& stream() const { return *stream_; }

 private:
  FileWindow(std::unique_ptr<storage::InputStream> stream, std::size_t capacity_bytes);

  std::unique_ptr<storage::InputStream> stream_;
  std::size_t capacity_;
  std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0;  // The text is buffer_[begin_, end_).
  std::size_t end_ = 0;
  std::uint64_t consumed_ = 0;
  bool at_end_ = false;
};

}  // namespace dime::worker
