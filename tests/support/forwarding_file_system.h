// tests/support/forwarding_file_system.h - the local file system, for tests that change a call or
// two of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/storage/file_system.h"

namespace dime::testing {

class ForwardingFileSystem : public storage::FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<storage::ReadableFile>> OpenForRead(
      const std::string& path) override {
    return local_.OpenForRead(path);
  }
  absl::StatusOr<std::unique_ptr<storage::AppendableFile>> OpenForAppend(
      const std::string& path) override {
    return local_.OpenForAppend(path);
  }
  absl::StatusOr<std::unique_ptr<storage::AtomicFile>> CreateAtomically(
      const std::string& path) override {
    return local_.CreateAtomically(path);
  }
  absl::StatusOr<std::unique_ptr<storage::ScratchFile>> CreateScratch(
      const std::string& directory) override {
    return local_.CreateScratch(directory);
  }
  absl::StatusOr<storage::FileInfo> Stat(const std::string& path) override {
    return local_.Stat(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    return local_.List(directory);
  }
  absl::StatusOr<std::vector<std::string>> Glob(const std::string& pattern) override {
    return local_.Glob(pattern);
  }
  absl::Status CreateDirectories(const std::string& path) override {
    return local_.CreateDirectories(path);
  }
  absl::Status DeleteFile(const std::string& path) override { return local_.DeleteFile(path); }
  absl::Status DeleteTree(const std::string& directory) override {
    return local_.DeleteTree(directory);
  }
  absl::Status PublishDirectory(const std::string& from, const std::string& to) override {
    return local_.PublishDirectory(from, to);
  }
  absl::StatusOr<std::unique_ptr<storage::DirectoryLock>> LockDirectory(
      const std::string& directory) override {
    return local_.LockDirectory(directory);
  }

 private:
  storage::FileSystem& local_ = storage::LocalFileSystem();
};

}  // namespace dime::testing
