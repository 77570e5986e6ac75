#include "runtime/storage/file_system.h"

#include <algorithm>

namespace dime::storage {
namespace {

constexpr std::uint64_t kReadChunkBytes = 64u << 20;

}  // namespace

absl::StatusOr<std::string> FileSystem::ReadFile(const std::string& path, std::uint64_t max_bytes) {
  DIME_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, OpenForRead(path));
  if (file->size_bytes() > max_bytes) {
    return base::OutOfRange("read '{}': it has {} bytes, more than the {} that may be read", path,
                            file->size_bytes(), max_bytes);
  }
  // By chunks, so that a sparse file of an enormous size costs no memory before its bytes are read.
  std::string contents;
  while (contents.size() < file->size_bytes()) {
    const std::size_t start = contents.size();
    contents.resize(start + std::min(kReadChunkBytes, file->size_bytes() - start));
    const std::span<char> chunk(contents.data() + start, contents.size() - start);
    DIME_ASSIGN_OR_RETURN(const std::size_t num_read, file->ReadAt(start, chunk));
    if (num_read < chunk.size()) {
      return base::Unavailable("read '{}': it was cut to {} bytes while it was read; try again",
                               path, start + num_read);
    }
  }
  return contents;
}

absl::Status FileSystem::WriteAtomically(const std::string& path, std::string_view contents) {
  DIME_ASSIGN_OR_RETURN(const std::unique_ptr<AtomicFile> file, CreateAtomically(path));
  DIME_RETURN_IF_ERROR(file->Append(contents));
  return file->Commit();
}

bool FileSystem::Exists(const std::string& path) { return Stat(path).ok(); }

absl::StatusOr<FileSystem*> FileSystemFor(std::string_view path) {
  const std::size_t scheme_end = path.find("://");
  const bool has_scheme = scheme_end != std::string_view::npos &&
                          path.substr(0, scheme_end).find('/') == std::string_view::npos;
  if (has_scheme) {
    return base::Unimplemented("'{}': files at {}:// are not supported yet; use a local path", path,
                               path.substr(0, scheme_end));
  }
  return &LocalFileSystem();
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  while (!name.empty() && name.front() == '/') name.remove_prefix(1);
  std::string path(directory);
  while (!path.empty() && path.back() == '/') path.pop_back();
  path += '/';
  path += name;
  return path;
}

std::string_view BaseName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0.
}

std::string_view DirName(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return path.substr(0, std::max<std::size_t>(slash, 1));
}

}  // namespace dime::storage
