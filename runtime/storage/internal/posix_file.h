// runtime/storage/internal/posix_file.h - a POSIX file descriptor with an owner, whole writes and
// statuses.
//
// Threads: one at a time. Interrupted calls are repeated; every message names the path.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace dime::storage::internal {

class PosixFile {
 public:
  // open(2), never blocking on a pipe. What is not a regular file is refused with kInvalidArgument.
  static absl::StatusOr<PosixFile> Open(const std::string& path, int flags);

  PosixFile() = default;
  PosixFile(PosixFile&& other) noexcept;
  PosixFile& operator=(PosixFile&& other) noexcept;
  ~PosixFile();  // Closes, whatever close(2) says.

  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, std::span<char> buffer) const;
  absl::Status WriteAll(std::string_view data) const;
  absl::Status Truncate(std::uint64_t size_bytes) const;
  absl::Status Sync() const;
  absl::Status Close();

  [[nodiscard]] std::uint64_t size_when_opened() const { return size_when_opened_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  PosixFile(std::string path, int descriptor);

  std::string path_;
  int descriptor_ = -1;
  std::uint64_t size_when_opened_ = 0;
};

// Makes what was created, renamed or removed in `directory` survive a crash.
absl::Status SyncDirectory(const std::string& directory);

// kInvalidArgument when `status` is not that of a regular file.
absl::Status RequireRegularFile(const std::string& path, const struct ::stat& status);

}  // namespace dime::storage::internal
