#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/storage/file_system.h"
#include "runtime/storage/internal/posix_file.h"

namespace dime::storage {
namespace {

using internal::PosixFile;
using internal::SyncDirectory;

constexpr std::size_t kWriteBufferBytes = 64 << 10;

absl::Status Failed(std::string_view verb, std::string_view path, int error_number) {
  return base::ErrnoToStatus(error_number, fmt::format("{} '{}'", verb, path));
}

absl::Status Failed(std::string_view verb, std::string_view path, const std::error_code& error) {
  return Failed(verb, path, error.value());
}

class LocalReadableFile : public ReadableFile {
 public:
  explicit LocalReadableFile(PosixFile file) : file_(std::move(file)) {}

  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, std::span<char> buffer) override {
    return file_.ReadAt(offset, buffer);
  }
  [[nodiscard]] std::uint64_t size_bytes() const override { return file_.size_when_opened(); }

 private:
  PosixFile file_;
};

// Collects small writes. After a failure the file is cut back to what was written before it, so
// that no half record stays, and every later call returns the same failure.
class BufferedWriter {
 public:
  explicit BufferedWriter(PosixFile file)
      : file_(std::move(file)), size_bytes_(file_.size_when_opened()) {}

  absl::Status Append(std::string_view data) {
    if (buffer_.size() + data.size() > kWriteBufferBytes) DIME_RETURN_IF_ERROR(Flush());
    DIME_RETURN_IF_ERROR(failure_);
    if (data.size() > kWriteBufferBytes) return Write(data);
    buffer_ += data;
    return absl::OkStatus();
  }

  absl::Status Flush() {
    DIME_RETURN_IF_ERROR(failure_);
    DIME_RETURN_IF_ERROR(Write(buffer_));
    buffer_.clear();
    return absl::OkStatus();
  }

  absl::Status SyncAndClose() {
    DIME_RETURN_IF_ERROR(Flush());
    failure_ = file_.Sync();
    if (absl::Status closed = file_.Close(); failure_.ok()) failure_ = std::move(closed);
    return failure_;
  }

 private:
  absl::Status Write(std::string_view data) {
    failure_ = file_.WriteAll(data);
    if (!failure_.ok()) {
      file_.Truncate(size_bytes_).IgnoreError();  // The write's failure is the one to tell.
      return failure_;
    }
    size_bytes_ += data.size();
    return absl::OkStatus();
  }

  PosixFile file_;
  std::uint64_t size_bytes_;
  std::string buffer_;
  absl::Status failure_;
};

class LocalAppendableFile : public AppendableFile {
 public:
  explicit LocalAppendableFile(PosixFile file) : writer_(std::move(file)) {}
  ~LocalAppendableFile() override {
    if (!closed_) writer_.Flush().IgnoreError();  // Who wants to know calls Close().
  }

  absl::Status Append(std::string_view data) override {
    DIME_CHECK(!closed_);
    return writer_.Append(data);
  }
  absl::Status Flush() override {
    DIME_CHECK(!closed_);
    return writer_.Flush();
  }
  absl::Status Close() override {
    if (std::exchange(closed_, true)) return absl::OkStatus();
    return writer_.SyncAndClose();
  }

 private:
  BufferedWriter writer_;
  bool closed_ = false;
};

class LocalAtomicFile : public AtomicFile {
 public:
  LocalAtomicFile(std::string path, PosixFile temporary)
      : path_(std::move(path)), temporary_path_(temporary.path()), writer_(std::move(temporary)) {}
  ~LocalAtomicFile() override {
    if (!temporary_path_.empty()) ::unlink(temporary_path_.c_str());
  }

  absl::Status Append(std::string_view data) override {
    DIME_CHECK(!temporary_path_.empty());
    return writer_.Append(data);
  }

  absl::Status Commit() override {
    DIME_CHECK(!temporary_path_.empty());
    DIME_RETURN_IF_ERROR(writer_.SyncAndClose());
    if (::rename(temporary_path_.c_str(), path_.c_str()) != 0) {
      return Failed("rename the finished file to", path_, errno);
    }
    temporary_path_.clear();
    return SyncDirectory(std::string(DirName(path_)));
  }

 private:
  std::string path_;
  std::string temporary_path_;  // Empty when it has been renamed.
  BufferedWriter writer_;
};

class LocalScratchFile : public ScratchFile {
 public:
  explicit LocalScratchFile(PosixFile file) : file_(std::move(file)) {}

  absl::Status Append(std::string_view data) override { return file_.WriteAll(data); }
  absl::Status ReadAt(std::uint64_t offset, std::span<char> buffer) const override {
    DIME_ASSIGN_OR_RETURN(const std::size_t got, file_.ReadAt(offset, buffer));
    if (got == buffer.size()) return absl::OkStatus();
    return base::DataLoss("read '{}': it ends at byte {}, where {} more are expected", file_.path(),
                          offset + got, buffer.size() - got);
  }

 private:
  PosixFile file_;
};

class LocalDirectoryLock : public DirectoryLock {
 public:
  explicit LocalDirectoryLock(int descriptor) : descriptor_(descriptor) {}
  ~LocalDirectoryLock() override { ::close(descriptor_); }

 private:
  const int descriptor_;
};

// Hidden, so that no pattern of data files matches it, and in the same directory, so that rename(2)
// can replace `path` in one step.
absl::StatusOr<PosixFile> CreateTemporaryBeside(const std::string& path, int access) {
  static std::atomic<std::uint64_t> counter{0};
  constexpr std::size_t kMaxStemBytes = 200;  // File names end at 255.
  constexpr int kMaxTries = 1000;  // Names that a process of the same number left behind.
  const std::string_view stem = BaseName(path).substr(0, kMaxStemBytes);
  for (int i = 0; i < kMaxTries; ++i) {
    const std::string name =
        fmt::format("{}{}.{}-{}", kTemporaryPrefix, stem, ::getpid(), counter++);
    auto file = PosixFile::Open(JoinPath(DirName(path), name), access | O_CREAT | O_EXCL);
    if (!absl::IsAlreadyExists(file.status())) return file;
  }
  return base::ResourceExhausted("write '{}': its directory is full of '{}{}.*' files", path,
                                 kTemporaryPrefix, stem);
}

bool HasPattern(std::string_view path) {
  return path.find_first_of("*?[") != std::string_view::npos;
}

thread_local int glob_error_number = 0;

// glob(3) skips directories that it cannot read unless this tells it to stop.
int StopUnlessMissing(const char*, int error_number) {
  if (error_number == ENOENT) return 0;
  glob_error_number = error_number;
  return 1;
}

// rename(2) that refuses to replace anything.
int RenameToNew(const std::string& from, const std::string& to) {
  const int result = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (result == 0 || (errno != EINVAL && errno != ENOSYS)) return result;
  // The file system cannot do both in one step.
  struct ::stat status;
  if (::lstat(to.c_str(), &status) == 0) {
    errno = EEXIST;
    return -1;
  }
  return ::rename(from.c_str(), to.c_str());
}

class Local : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    DIME_ASSIGN_OR_RETURN(PosixFile file, PosixFile::Open(path, O_RDONLY));
    return std::make_unique<LocalReadableFile>(std::move(file));
  }

  absl::StatusOr<std::unique_ptr<AppendableFile>> OpenForAppend(const std::string& path) override {
    DIME_ASSIGN_OR_RETURN(PosixFile file, PosixFile::Open(path, O_WRONLY | O_CREAT | O_APPEND));
    return std::make_unique<LocalAppendableFile>(std::move(file));
  }

  absl::StatusOr<std::unique_ptr<AtomicFile>> CreateAtomically(const std::string& path) override {
    if (BaseName(path).empty()) {
      return base::InvalidArgument("write '{}': the path names no file", path);
    }
    // rename(2) would silently put a file in the place of /dev/null.
    struct ::stat status;
    if (::stat(path.c_str(), &status) == 0) {
      DIME_RETURN_IF_ERROR(internal::RequireRegularFile(path, status));
    }
    DIME_ASSIGN_OR_RETURN(PosixFile file, CreateTemporaryBeside(path, O_WRONLY));
    return std::make_unique<LocalAtomicFile>(path, std::move(file));
  }

  absl::StatusOr<std::unique_ptr<ScratchFile>> CreateScratch(
      const std::string& directory) override {
    DIME_ASSIGN_OR_RETURN(PosixFile file,
                          CreateTemporaryBeside(JoinPath(directory, "scratch"), O_RDWR));
    if (::unlink(file.path().c_str()) != 0) return Failed("delete", file.path(), errno);
    return std::make_unique<LocalScratchFile>(std::move(file));
  }

  absl::StatusOr<FileInfo> Stat(const std::string& path) override {
    struct ::stat status;
    if (::stat(path.c_str(), &status) != 0) return Failed("find", path, errno);
    return FileInfo{.size_bytes = static_cast<std::uint64_t>(status.st_size),
                    .is_directory = S_ISDIR(status.st_mode)};
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    std::error_code error;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entry(directory, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) return Failed("list directory", directory, error);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::StatusOr<std::vector<std::string>> Glob(const std::string& pattern) override {
    struct ::stat status;
    if (!HasPattern(pattern) || ::stat(pattern.c_str(), &status) == 0) return {{pattern}};
    ::glob_t found = {};
    const int result =
        ::glob(pattern.c_str(), GLOB_NOESCAPE | GLOB_NOSORT, StopUnlessMissing, &found);
    std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    ::globfree(&found);
    if (result == GLOB_NOSPACE) return Failed("find files like", pattern, ENOMEM);
    if (result == GLOB_ABORTED) return Failed("find files like", pattern, glob_error_number);
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  absl::Status CreateDirectories(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    return error ? Failed("create directory", path, error) : absl::OkStatus();
  }

  absl::Status DeleteFile(const std::string& path) override {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
    return Failed("delete", path, errno);
  }

  absl::Status DeleteTree(const std::string& directory) override {
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    return error ? Failed("delete directory", directory, error) : absl::OkStatus();
  }

  absl::Status PublishDirectory(const std::string& from, const std::string& to) override {
    DIME_RETURN_IF_ERROR(SyncDirectories(from));
    if (RenameToNew(from, to) != 0) {
      return Failed(fmt::format("publish '{}' as", from), to, errno);
    }
    return SyncDirectory(std::string(DirName(to)));
  }

  // The lock is on the directory itself: no file stays behind, whatever happens.
  absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(
      const std::string& directory) override {
    const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return Failed("open directory", directory, errno);
    auto lock = std::make_unique<LocalDirectoryLock>(descriptor);
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno == EWOULDBLOCK) return base::Aborted("directory '{}' is in use", directory);
    return std::unique_ptr<DirectoryLock>();  // Some network file systems lock no directories.
  }

 private:
  // Files are synced when they are written; what is left are the names that lead to them.
  static absl::Status SyncDirectories(const std::string& root) {
    std::error_code error;
    std::filesystem::recursive_directory_iterator entry(root, error);
    for (; !error && entry != std::filesystem::recursive_directory_iterator();
         entry.increment(error)) {
      if (entry->is_directory(error)) DIME_RETURN_IF_ERROR(SyncDirectory(entry->path().string()));
    }
    if (error) return Failed("list directory", root, error);
    return SyncDirectory(root);
  }
};

}  // namespace

FileSystem& LocalFileSystem() {
  static auto* const local = new Local;
  return *local;
}

}  // namespace dime::storage
