#include "worker/coordination/job_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <span>
#include <sstream>
#include <string_view>
#include <utility>

#include "runtime/base/secret.h"
#include "runtime/base/text.h"
#include "runtime/storage/file_system.h"

namespace dime::worker {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kLeastTokenBytes = 16;
constexpr std::size_t kMostTokenBytes = 1024;
constexpr std::uint64_t kMaxPageBytes = 64 << 10;
constexpr std::string_view kTitle = "dime master 1";

// Text on the stack that leaves nothing behind.
template <std::size_t kSize>
struct WipedText {
  ~WipedText() { base::Wipe(std::as_writable_bytes(std::span(text))); }
  std::array<char, kSize> text;
};

base::Secret RandomToken() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  WipedText<2 * kTokenBytes> digits;
  base::FillRandom(std::as_writable_bytes(std::span(digits.text)));
  for (char& digit : digits.text) digit = kDigits[static_cast<unsigned char>(digit) % 16];
  return base::Secret({digits.text.data(), digits.text.size()});
}

absl::Status Failed(std::string_view what, const std::string& path) {
  return base::ErrnoToStatus(errno, fmt::format("cannot {} {}", what, path));
}

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// A file that is there already is an error.
int CreatePrivate(const std::string& path) {
  return open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
}

absl::Status Write(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed("write", path);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return absl::OkStatus();
}

// What a master that was killed has left goes; what one holds that lives is kAborted.
absl::Status RemoveLeftover(const std::string& path) {
  const File file(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open()) return errno == ENOENT ? absl::OkStatus() : Failed("open", path);
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    return base::Aborted("{} is held by another master: is this job running already?", path);
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return Failed("remove", path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenFile>> TokenFile::Create(const std::string& path) {
  DIME_RETURN_IF_ERROR(RemoveLeftover(path));
  File file(CreatePrivate(path));
  if (!file.is_open()) return Failed("create", path);
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) return Failed("lock", path);
  base::Secret token = RandomToken();
  DIME_RETURN_IF_ERROR(Write(file.get(), token.bytes(), path));
  return std::unique_ptr<TokenFile>(new TokenFile(path, std::move(token), file.Release()));
}

TokenFile::~TokenFile() {
  unlink(path_.c_str());
  close(fd_);
}

absl::StatusOr<base::Secret> ReadTokenFile(const std::string& path) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return Failed("open the token file", path);
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return Failed("look at", path);
  if (!S_ISREG(info.st_mode)) return base::InvalidArgument("{} is no file", path);
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return base::PermissionDenied(
        "{} holds the job's token, and others than its owner may use it: chmod 600 {}", path, path);
  }
  WipedText<kMostTokenBytes + 1> page;
  const ssize_t count = read(file.get(), page.text.data(), page.text.size());
  if (count < 0) return Failed("read", path);
  const std::string_view token = base::Trimmed({page.text.data(), static_cast<std::size_t>(count)});
  // The master is about to write it.
  if (token.empty()) return base::NotFound("{} is empty", path);
  if (token.size() >= kLeastTokenBytes && token.size() <= kMostTokenBytes) {
    return base::Secret(token);
  }
  return base::InvalidArgument("{} has {} bytes, and a token has {} to {}", path, token.size(),
                               kLeastTokenBytes, kMostTokenBytes);
}

absl::Status WriteMasterPage(const std::string& path, const MasterPage& page) {
  std::string text = fmt::format("{}\nrun {}\nhost {}\n", kTitle, page.run, page.host);
  for (const net::Address& address : page.addresses) {
    text += fmt::format("address {}\n", address.ToString());
  }
  const std::string part = path + ".part";
  unlink(part.c_str());
  const File file(CreatePrivate(part));
  if (!file.is_open()) return Failed("create", part);
  DIME_RETURN_IF_ERROR(Write(file.get(), text, part));
  if (std::rename(part.c_str(), path.c_str()) != 0) return Failed("replace", path);
  return absl::OkStatus();
}

absl::StatusOr<MasterPage> ReadMasterPage(const std::string& path) {
  DIME_ASSIGN_OR_RETURN(const std::string text,
                        storage::LocalFileSystem().ReadFile(path, kMaxPageBytes));
  std::istringstream lines(text);
  std::string line;
  if (!std::getline(lines, line) || line != kTitle) {
    return base::DataLoss("{} says nothing of a master", path);
  }
  MasterPage page;
  while (std::getline(lines, line)) {
    const std::size_t blank = line.find(' ');
    if (blank == line.npos) continue;
    const std::string key = line.substr(0, blank);
    const std::string value = line.substr(blank + 1);
    if (key == "run") page.run = value;
    if (key == "host") page.host = value;
    if (key != "address") continue;
    DIME_ASSIGN_OR_RETURN(net::Address address, net::ParseAddress(value));
    page.addresses.push_back(std::move(address));
  }
  return page;
}

}  // namespace dime::worker
