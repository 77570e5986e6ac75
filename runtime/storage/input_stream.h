// runtime/storage/input_stream.h - a file's bytes from the first to the last, decompressed where
// the file is compressed.
//
// Threads: one at a time. Errors: those of ReadableFile; kDataLoss names the file, and for a
// compressed one the offset in it, where it is damaged, ends early, or shrank while it was read.
// What is appended to a file after it was opened is not read. Memory does not depend on the file:
// decompressing takes a fixed amount, however much a few bytes may stand for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::storage {

class InputStream {
 public:
  virtual ~InputStream() = default;

  // Reads buffer.size() bytes; fewer only at the end. Returns how many.
  virtual absl::StatusOr<std::size_t> Read(std::span<char> buffer) = 0;

  [[nodiscard]] virtual bool is_compressed() const = 0;
  // Of the file as it lies there: its size when opened, and how much of it was taken.
  [[nodiscard]] virtual std::uint64_t file_bytes() const = 0;
  [[nodiscard]] virtual std::uint64_t file_offset() const = 0;
};

// Opens a file. One that starts like gzip is decompressed, whatever its name.
absl::StatusOr<std::unique_ptr<InputStream>> OpenInputStream(FileSystem& file_system,
                                                             const std::string& path);

// The same for a file that is open. `path` is for messages.
absl::StatusOr<std::unique_ptr<InputStream>> MakeInputStream(std::unique_ptr<ReadableFile> file,
                                                             const std::string& path);

// All that is left to read. kOutOfRange for more than `max_bytes`.
absl::StatusOr<std::string> ReadToEnd(InputStream& stream, const std::string& path,
                                      std::uint64_t max_bytes);

}  // namespace dime::storage
