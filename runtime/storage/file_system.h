// runtime/storage/file_system.h - files, wherever they are: the one way dime reads and writes them.
//
// Threads: a FileSystem may be used from any thread; a file object from one thread at a time.
// Errors:  kNotFound, kPermissionDenied, kResourceExhausted (the disk is full, or
//          fails), kInvalidArgument (a directory where a file is
//          needed), else kUnavailable. Every message names the path.
// Nothing is visible under its final name before it is whole: see WriteAtomically() and AtomicFile.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace dime::storage {

struct FileInfo {
  std::uint64_t size_bytes = 0;
  bool is_directory = false;
};

class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Reads up to buffer.size() bytes at `offset`; fewer only at the end of the file. Returns how
  // many.
  virtual absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, std::span<char> buffer) = 0;
  // The size when opened. Pipes and devices have none and are refused by OpenForRead().
  [[nodiscard]] virtual std::uint64_t size_bytes() const = 0;
};

// A file that grows by whole records and is read by others meanwhile (event files).
class AppendableFile {
 public:
  virtual ~AppendableFile() = default;
  virtual absl::Status Append(std::string_view data) = 0;
  virtual absl::Status Flush() = 0;  // What was appended is visible to readers.
  virtual absl::Status Close() = 0;
};

// A file that appears under its name only when Commit() has returned OK: written beside it, synced,
// renamed. Destroyed without Commit(), it leaves nothing behind.
class AtomicFile {
 public:
  virtual ~AtomicFile() = default;
  virtual absl::Status Append(std::string_view data) = 0;
  virtual absl::Status Commit() = 0;
};

// A file without a name, for what does not fit into memory. It is gone with the object, or with the
// process in whatever way. Once it is whole, several threads may read at a time.
class ScratchFile {
 public:
  virtual ~ScratchFile() = default;
  virtual absl::Status Append(std::string_view data) = 0;
  // Fills `buffer` from `offset` on; kDataLoss where the file has not so much.
  virtual absl::Status ReadAt(std::uint64_t offset, std::span<char> buffer) const = 0;
};

// Held until it is destroyed, or the process ends in whatever way.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual absl::StatusOr<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) = 0;
  virtual absl::StatusOr<std::unique_ptr<AppendableFile>> OpenForAppend(
      const std::string& path) = 0;
  virtual absl::StatusOr<std::unique_ptr<AtomicFile>> CreateAtomically(const std::string& path) = 0;

  virtual absl::StatusOr<std::unique_ptr<ScratchFile>> CreateScratch(
      const std::string& directory) = 0;

  virtual absl::StatusOr<FileInfo> Stat(const std::string& path) = 0;
  // The names in a directory, sorted, without "." and "..".
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& directory) = 0;
  // The paths that match a pattern of `*`, `?` and `[...]`, sorted. A path without these, or one
  // that is there, is returned as it is.
  virtual absl::StatusOr<std::vector<std::string>> Glob(const std::string& pattern) = 0;

  virtual absl::Status CreateDirectories(const std::string& path) = 0;
  virtual absl::Status DeleteFile(
      const std::string& path) = 0;  // A file that is not there is no error.
  virtual absl::Status DeleteTree(const std::string& directory) = 0;  // Likewise.
  // Makes `from`, a finished directory, appear as `to`, which must not exist; both on one file
  // system.
  virtual absl::Status PublishDirectory(const std::string& from, const std::string& to) = 0;

  // Makes the caller the only one that holds `directory`. kAborted: another one does. Null where
  // the file system knows no locks.
  virtual absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(
      const std::string& directory) = 0;

  // Conveniences on top of the above.
  absl::StatusOr<std::string> ReadFile(const std::string& path,
                                       std::uint64_t max_bytes = 1ull << 33);
  absl::Status WriteAtomically(const std::string& path, std::string_view contents);
  bool Exists(const std::string& path);
};

// What the names of unfinished files start with: a run that was killed may leave one, and nobody
// else needs it.
inline constexpr std::string_view kTemporaryPrefix = ".dime-part-";

// The file system that serves `path`. Local paths today; kUnimplemented names the scheme of others.
absl::StatusOr<FileSystem*> FileSystemFor(std::string_view path);
FileSystem& LocalFileSystem();

// "a" + "b" = "a/b", with exactly one slash between; an absolute `name` is not special.
[[nodiscard]] std::string JoinPath(std::string_view directory, std::string_view name);
[[nodiscard]] std::string_view BaseName(std::string_view path);
[[nodiscard]] std::string_view DirName(std::string_view path);  // "." when there is no slash.

}  // namespace dime::storage
