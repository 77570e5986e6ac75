#include "tests/support/memory_file_system.h"

#include <fnmatch.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dime::testing {
namespace {

using Contents = std::shared_ptr<const std::string>;  // Never changed: readers may hold it.

struct Node {
  bool is_directory = false;
  Contents contents = std::make_shared<const std::string>();
};

const Node kDirectory = {.is_directory = true};

absl::Status Failed(std::string_view verb, std::string_view path, int error_number) {
  return base::ErrnoToStatus(error_number, fmt::format("{} '{}'", verb, path));
}
// Without slashes at its end.
std::string Normal(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}
bool IsIn(std::string_view path, std::string_view directory) {
  return path == directory || (path.starts_with(directory) && path[directory.size()] == '/');
}

class Reader : public storage::ReadableFile {
 public:
  explicit Reader(Contents contents) : contents_(std::move(contents)) {}
  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, std::span<char> buffer) override {
    if (offset >= contents_->size()) return 0;
    return contents_->copy(buffer.data(), buffer.size(), offset);
  }
  [[nodiscard]] std::uint64_t size_bytes() const override { return contents_->size(); }

 private:
  const Contents contents_;
};

class Scratch : public storage::ScratchFile {
 public:
  absl::Status Append(std::string_view data) override {
    contents_ += data;
    return absl::OkStatus();
  }
  absl::Status ReadAt(std::uint64_t offset, std::span<char> buffer) const override {
    if (offset > contents_.size() || buffer.size() > contents_.size() - offset) {
      return base::DataLoss("the scratch file has {} bytes", contents_.size());
    }
    contents_.copy(buffer.data(), buffer.size(), offset);
    return absl::OkStatus();
  }

 private:
  std::string contents_;
};

class MemoryFileSystem : public storage::FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<storage::ReadableFile>> OpenForRead(
      const std::string& path) override {
    const std::lock_guard lock(mutex_);
    const Node* node = Find(path);
    if (node == nullptr) return Failed("open", path, ENOENT);
    if (node->is_directory) return Failed("open", path, EISDIR);
    return std::make_unique<Reader>(node->contents);
  }

  absl::StatusOr<std::unique_ptr<storage::AppendableFile>> OpenForAppend(
      const std::string& path) override {
    {
      const std::lock_guard lock(mutex_);
      DIME_RETURN_IF_ERROR(CheckMayWrite("open", path));
    }
    DIME_RETURN_IF_ERROR(Append(path, ""));
    return std::make_unique<Appender>(*this, path);
  }

  absl::StatusOr<std::unique_ptr<storage::AtomicFile>> CreateAtomically(
      const std::string& path) override {
    const std::lock_guard lock(mutex_);
    DIME_RETURN_IF_ERROR(CheckMayWrite("write", path));
    return std::make_unique<Writer>(*this, path);
  }

  absl::StatusOr<std::unique_ptr<storage::ScratchFile>> CreateScratch(
      const std::string& directory) override {
    const std::lock_guard lock(mutex_);
    DIME_RETURN_IF_ERROR(CheckIsDirectory("create a scratch file in", directory));
    return std::make_unique<Scratch>();
  }

  absl::StatusOr<storage::FileInfo> Stat(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    const Node* node = Find(path);
    if (node == nullptr) return Failed("find", path, ENOENT);
    return storage::FileInfo{.size_bytes = node->contents->size(),
                             .is_directory = node->is_directory};
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    const std::lock_guard lock(mutex_);
    DIME_RETURN_IF_ERROR(CheckIsDirectory("list directory", directory));
    std::vector<std::string> names;
    for (const auto& [path, node] : nodes_) {
      const bool is_root = storage::BaseName(path).empty();
      if (!is_root && storage::DirName(path) == Normal(directory)) {
        names.emplace_back(storage::BaseName(path));
      }
    }
    std::ranges::sort(names);
    return names;
  }

  absl::StatusOr<std::vector<std::string>> Glob(const std::string& pattern) override {
    const std::lock_guard lock(mutex_);
    const bool has_pattern = pattern.find_first_of("*?[") != std::string::npos;
    if (!has_pattern || Find(pattern) != nullptr) return std::vector<std::string>{pattern};
    std::vector<std::string> paths;  // In order, as the names are.
    for (const auto& [path, node] : nodes_) {
      constexpr int kFlags = FNM_PATHNAME | FNM_PERIOD | FNM_NOESCAPE;
      if (::fnmatch(pattern.c_str(), path.c_str(), kFlags) == 0) paths.push_back(path);
    }
    return paths;
  }

  absl::Status CreateDirectories(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    const std::string all = Normal(path);
    for (std::size_t end = 0; end != std::string::npos;) {
      end = all.find('/', end + 1);
      const Node& node = nodes_.try_emplace(all.substr(0, end), kDirectory).first->second;
      if (!node.is_directory) return Failed("create directory", path, ENOTDIR);
    }
    return absl::OkStatus();
  }

  absl::Status DeleteFile(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    const Node* node = Find(path);
    if (node != nullptr && node->is_directory) return Failed("delete", path, EISDIR);
    nodes_.erase(Normal(path));
    return absl::OkStatus();
  }

  absl::Status DeleteTree(const std::string& directory) override {
    const std::lock_guard lock(mutex_);
    std::erase_if(nodes_, [&](const auto& node) { return IsIn(node.first, Normal(directory)); });
    return absl::OkStatus();
  }

  absl::Status PublishDirectory(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    const std::string what = "publish '" + from + "' as";
    DIME_RETURN_IF_ERROR(CheckIsDirectory("list directory", from));
    if (Find(to) != nullptr) return Failed(what, to, EEXIST);
    DIME_RETURN_IF_ERROR(CheckMayWrite(what, to));
    std::map<std::string, Node> moved;
    for (const auto& [path, node] : nodes_) {
      const bool moves = IsIn(path, Normal(from));
      moved[moves ? Normal(to) + path.substr(Normal(from).size()) : path] = node;
    }
    nodes_ = std::move(moved);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<storage::DirectoryLock>> LockDirectory(
      const std::string& directory) override {
    const std::lock_guard lock(mutex_);
    DIME_RETURN_IF_ERROR(CheckIsDirectory("open directory", directory));
    if (!locked_.insert(Normal(directory)).second) {
      return base::Aborted("directory '{}' is in use", directory);
    }
    return std::make_unique<Lock>(*this, Normal(directory));
  }

 private:
  class Appender : public storage::AppendableFile {
   public:
    Appender(MemoryFileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
    ~Appender() override { Flush().IgnoreError(); }
    absl::Status Append(std::string_view data) override {
      buffer_ += data;
      return absl::OkStatus();
    }
    absl::Status Flush() override { return fs_.Append(path_, std::exchange(buffer_, "")); }
    absl::Status Close() override { return Flush(); }

   private:
    MemoryFileSystem& fs_;
    const std::string path_;
    std::string buffer_;
  };

  class Writer : public storage::AtomicFile {
   public:
    Writer(MemoryFileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
    absl::Status Append(std::string_view data) override {
      contents_ += data;
      return absl::OkStatus();
    }
    absl::Status Commit() override { return fs_.Replace(path_, std::move(contents_)); }

   private:
    MemoryFileSystem& fs_;
    const std::string path_;
    std::string contents_;
  };

  class Lock : public storage::DirectoryLock {
   public:
    Lock(MemoryFileSystem& fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}
    ~Lock() override {
      const std::lock_guard lock(fs_.mutex_);
      fs_.locked_.erase(directory_);
    }

   private:
    MemoryFileSystem& fs_;
    const std::string directory_;
  };

  // For holders of mutex_.
  const Node* Find(const std::string& path) const {
    const auto found = nodes_.find(Normal(path));
    return found == nodes_.end() ? nullptr : &found->second;
  }
  absl::Status CheckIsDirectory(std::string_view verb, const std::string& path) const {
    const Node* node = Find(path);
    if (node == nullptr) return Failed(verb, path, ENOENT);
    return node->is_directory ? absl::OkStatus() : Failed(verb, path, ENOTDIR);
  }
  absl::Status CheckMayWrite(std::string_view verb, const std::string& path) const {
    const Node* node = Find(path);
    if (path.ends_with('/') || (node != nullptr && node->is_directory)) {
      return Failed(verb, path, EISDIR);
    }
    const Node* parent = Find(std::string(storage::DirName(path)));
    if (parent == nullptr) return Failed(verb, path, ENOENT);
    return parent->is_directory ? absl::OkStatus() : Failed(verb, path, ENOTDIR);
  }

  // For writers.
  absl::Status Append(const std::string& path, std::string_view data) {
    const std::lock_guard lock(mutex_);
    Contents& contents = nodes_[path].contents;
    contents = std::make_shared<const std::string>(*contents + std::string(data));
    return absl::OkStatus();
  }
  absl::Status Replace(const std::string& path, std::string contents) {
    const std::lock_guard lock(mutex_);
    DIME_RETURN_IF_ERROR(CheckMayWrite("write", path));
    nodes_[path] = {.contents = std::make_shared<const std::string>(std::move(contents))};
    return absl::OkStatus();
  }

  std::mutex mutex_;
  std::map<std::string, Node> nodes_ = {{"/", kDirectory}, {".", kDirectory}};
  std::set<std::string> locked_;
};

}  // namespace

std::unique_ptr<storage::FileSystem> NewMemoryFileSystem() {
  return std::make_unique<MemoryFileSystem>();
}

}  // namespace dime::testing
