#include "tests/sim/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "runtime/base/check.h"
#include "tests/sim/libc.h"

namespace dime::sim {
namespace {

int Failed(int error) {
  errno = error;
  return -1;
}

std::string DirectoryOf(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

std::int64_t SizeOf(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_size : 0;
}

}  // namespace

Disk::~Disk() {
  for (const auto& [fd, file] : files_) real::Close(fd);
  std::error_code ignored;
  if (!root_.empty()) std::filesystem::remove_all(root_, ignored);
}

const std::string& Disk::root() {
  if (!root_.empty()) return root_;
  const bool has_memory = ::access("/dev/shm", W_OK) == 0;
  std::string name = std::string(has_memory ? "/dev/shm" : "/tmp") + "/dime-sim-XXXXXX";
  DIME_CHECK(::mkdtemp(name.data()) != nullptr);
  DIME_CHECK(::mkdir((name + "/replaced").c_str(), 0700) == 0);
  root_ = name;
  return root_;
}

std::vector<Disk::Unsynced>::iterator Disk::FindUnsynced(const std::string& path) {
  return std::ranges::find(unsynced_, path, &Unsynced::path);
}

void Disk::ForgetUnsynced(const std::string& path) {
  std::erase_if(unsynced_, [&](const Unsynced& file) { return file.path == path; });
}

int Disk::TakeTime(const char* what, bool needs_room) {
  Dice& dice = world_.dice();
  const bool is_slow = dice.Chance(world_.faults().slow_disk);
  world_.Sleep(static_cast<Time>(dice.LogBetween(5e3, is_slow ? 2e9 : 5e5)));
  world_.Note(what);
  int error = 0;
  if (dice.Chance(world_.faults().disk_error)) error = EIO;
  if (needs_room && dice.Chance(world_.faults().disk_full)) error = ENOSPC;
  if (error != 0) world_.NoteFault("disk error", error);
  return error;
}

int Disk::Open(const std::string& path, int flags, mode_t mode) {
  const bool makes = (flags & O_CREAT) != 0;
  if (const int error = TakeTime("open", makes); error != 0) return Failed(error);
  const int fd = real::Open(path.c_str(), flags, mode);
  if (fd >= 0) files_[fd] = {path, &World::fiber()->process};
  return fd;
}

ssize_t Disk::Write(int fd, const void* from, std::size_t size) {
  if (const int error = TakeTime("write", true); error != 0) return Failed(error);
  if (size > 0 && world_.dice().Chance(world_.faults().short_write)) {
    size = 1 + world_.dice().Below(size);
  }
  const OpenFile& file = files_.at(fd);
  if (FindUnsynced(file.path) == unsynced_.end()) {
    unsynced_.push_back({file.path, file.owner, SizeOf(file.path)});
  }
  return real::Write(fd, from, size);
}

ssize_t Disk::ReadAt(int fd, void* to, std::size_t size, off_t offset) {
  if (const int error = TakeTime("read", false); error != 0) return Failed(error);
  return real::ReadAt(fd, to, size, offset);
}

int Disk::Sync(int fd) {
  if (const int error = TakeTime("sync", false); error != 0) return Failed(error);
  if (ignores_syncs_) return 0;
  const std::string& path = files_.at(fd).path;
  ForgetUnsynced(path);
  std::erase_if(renames_,
                [&](const UnsyncedRename& rename) { return DirectoryOf(rename.to) == path; });
  return 0;
}

int Disk::Truncate(int fd, off_t size) {
  if (const int error = TakeTime("truncate", false); error != 0) return Failed(error);
  return real::Truncate(fd, size);
}

int Disk::Rename(const std::string& from, const std::string& to) {
  if (const int error = TakeTime("rename", false); error != 0) return Failed(error);
  UnsyncedRename rename{&World::fiber()->process, from, to, ""};
  const std::string second = root_ + "/replaced/" + std::to_string(num_replaced_++);
  if (::link(to.c_str(), second.c_str()) == 0) rename.replaced = second;
  if (real::Rename(from.c_str(), to.c_str()) != 0) return -1;
  renames_.push_back(rename);
  ForgetUnsynced(to);
  if (const auto moved = FindUnsynced(from); moved != unsynced_.end()) moved->path = to;
  for (auto& [open, file] : files_) {
    if (file.path == from) file.path = to;
  }
  return 0;
}

int Disk::Close(int fd) {
  files_.erase(fd);
  return real::Close(fd);
}

void Disk::CloseAllOf(const Process& process) {
  std::vector<int> fds;
  for (const auto& [fd, file] : files_) {
    if (file.owner == &process) fds.push_back(fd);
  }
  for (const int fd : fds) Close(fd);
}

void Disk::LoseUnsynced(const Process& process) {
  for (const Unsynced& file : unsynced_) {
    const std::int64_t lost = SizeOf(file.path) - file.synced_bytes;
    if (file.writer != &process || lost <= 0) continue;
    const std::int64_t kept = file.synced_bytes + world_.dice().Between(0, lost);
    world_.NoteFault("lost bytes", SizeOf(file.path) - kept);
    DIME_CHECK(::truncate(file.path.c_str(), kept) == 0);
  }
  std::erase_if(unsynced_, [&](const Unsynced& file) { return file.writer == &process; });
  // The last ones first: the disk holds the first so many.
  while (!renames_.empty() && world_.dice().Chance(0.5)) {
    const UnsyncedRename rename = renames_.back();
    if (rename.by != &process) break;
    renames_.pop_back();
    world_.NoteFault("lost rename");
    real::Rename(rename.to.c_str(), rename.from.c_str());
    if (!rename.replaced.empty()) real::Rename(rename.replaced.c_str(), rename.to.c_str());
  }
}

}  // namespace dime::sim
