#include "runtime/storage/internal/posix_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace dime::storage::internal {
namespace {

constexpr mode_t kFileMode = 0666;  // The user's umask takes away from it.

// Calls until no signal interrupts.
template <typename Call>
auto Uninterrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

absl::Status Failed(std::string_view verb, std::string_view path, int error_number) {
  return base::ErrnoToStatus(error_number, fmt::format("{} '{}'", verb, path));
}

}  // namespace

absl::Status RequireRegularFile(const std::string& path, const struct ::stat& status) {
  if (S_ISREG(status.st_mode)) return absl::OkStatus();
  if (S_ISDIR(status.st_mode)) {
    return base::InvalidArgument("'{}' is a directory; a file is needed", path);
  }
  return base::InvalidArgument("'{}' is a pipe or device; a regular file is needed", path);
}

absl::StatusOr<PosixFile> PosixFile::Open(const std::string& path, int flags) {
  // Without O_NONBLOCK, opening a pipe waits for its other end.
  const int descriptor = Uninterrupted(
      [&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, kFileMode); });
  const int error_number = errno;
  struct ::stat status = {};
  if (descriptor == -1) {
    // A pipe without a reader, or a socket: say what it is instead of "No such device or address".
    if (error_number == ENXIO && ::stat(path.c_str(), &status) == 0) {
      DIME_RETURN_IF_ERROR(RequireRegularFile(path, status));
    }
    return Failed("open", path, error_number);
  }
  PosixFile file(path, descriptor);
  if (::fstat(descriptor, &status) != 0) return Failed("examine", path, errno);
  DIME_RETURN_IF_ERROR(RequireRegularFile(path, status));
  file.size_when_opened_ = static_cast<std::uint64_t>(status.st_size);
  return file;
}

PosixFile::PosixFile(std::string path, int descriptor)
    : path_(std::move(path)), descriptor_(descriptor) {}

PosixFile::PosixFile(PosixFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_when_opened_(other.size_when_opened_) {}

PosixFile& PosixFile::operator=(PosixFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_when_opened_, other.size_when_opened_);
  return *this;
}

PosixFile::~PosixFile() {
  if (descriptor_ != -1) ::close(descriptor_);
}

absl::StatusOr<std::size_t> PosixFile::ReadAt(std::uint64_t offset, std::span<char> buffer) const {
  std::size_t total = 0;
  while (total < buffer.size()) {
    const ssize_t num_read = Uninterrupted([&] {
      return ::pread(descriptor_, buffer.data() + total, buffer.size() - total,
                     static_cast<off_t>(offset + total));
    });
    if (num_read == -1) return Failed("read", path_, errno);
    if (num_read == 0) break;
    total += static_cast<std::size_t>(num_read);
  }
  return total;
}

absl::Status PosixFile::WriteAll(std::string_view data) const {
  while (!data.empty()) {
    const ssize_t written =
        Uninterrupted([&] { return ::write(descriptor_, data.data(), data.size()); });
    if (written == -1) return Failed("write", path_, errno);
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status PosixFile::Truncate(std::uint64_t size_bytes) const {
  const int result =
      Uninterrupted([&] { return ::ftruncate(descriptor_, static_cast<off_t>(size_bytes)); });
  return result == 0 ? absl::OkStatus() : Failed("truncate", path_, errno);
}

absl::Status PosixFile::Sync() const {
  // A failed fsync is final: the kernel may have dropped the pages, so trying again proves nothing.
  const int result = Uninterrupted([&] { return ::fsync(descriptor_); });
  return result == 0 ? absl::OkStatus() : Failed("sync", path_, errno);
}

absl::Status PosixFile::Close() {
  if (descriptor_ == -1) return absl::OkStatus();
  // Not repeated when interrupted: Linux has released the descriptor by then.
  const int result = ::close(std::exchange(descriptor_, -1));
  if (result == -1 && errno != EINTR) return Failed("close", path_, errno);
  return absl::OkStatus();
}

absl::Status SyncDirectory(const std::string& directory) {
  const int descriptor =
      Uninterrupted([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (descriptor == -1) return Failed("open directory", directory, errno);
  const int result = Uninterrupted([&] { return ::fsync(descriptor); });
  const int error_number = errno;
  ::close(descriptor);
  // Some file systems cannot sync a directory and say EINVAL: nothing more can be done there.
  if (result == 0 || error_number == EINVAL) return absl::OkStatus();
  return Failed("sync directory", directory, error_number);
}

}  // namespace dime::storage::internal
