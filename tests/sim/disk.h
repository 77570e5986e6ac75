// tests/sim/disk.h - the files of a simulated world: real ones in a directory of memory, between
// which and the program stand errors, delays, and the loss of what was not synced.
//
// All hosts share the directory, as over a network file system; what a host has written and not
// synced is lost with its power, from any byte on. So is a rename whose directory it did not sync.
// Calls are those of the system: -1 and errno.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/sim/world.h"

namespace dime::sim {

class Disk {
 public:
  explicit Disk(World& world) : world_(world) {}
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // Made when it is first asked for, and deleted with this object.
  const std::string& root();
  [[nodiscard]] bool Holds(const std::string& path) const {
    return !root_.empty() && path.starts_with(root_);
  }
  [[nodiscard]] bool Holds(int fd) const { return files_.contains(fd); }

  int Open(const std::string& path, int flags, mode_t mode);
  ssize_t Write(int fd, const void* from, std::size_t size);
  ssize_t ReadAt(int fd, void* to, std::size_t size, off_t offset);
  int Sync(int fd);
  int Truncate(int fd, off_t size);
  int Rename(const std::string& from, const std::string& to);
  int Close(int fd);

  // A bug to be found: files are renamed and not synced.
  void IgnoreSyncs() { ignores_syncs_ = true; }

  void CloseAllOf(const Process& process);
  // The power of its host fails.
  void LoseUnsynced(const Process& process);

 private:
  struct OpenFile {
    std::string path;
    const Process* owner = nullptr;
  };
  struct Unsynced {
    std::string path;
    const Process* writer = nullptr;
    std::int64_t synced_bytes = 0;
  };
  struct UnsyncedRename {
    const Process* by = nullptr;
    std::string from;
    std::string to;
    std::string replaced;  // A second name of what had the name before; "": nothing had.
  };

  [[nodiscard]] std::vector<Unsynced>::iterator FindUnsynced(const std::string& path);
  void ForgetUnsynced(const std::string& path);
  // An error that this call is to have, or 0, after the time that it takes.
  int TakeTime(const char* what, bool needs_room);

  World& world_;
  std::string root_;
  std::map<int, OpenFile> files_;
  std::vector<Unsynced> unsynced_;  // In the order of their first bytes.
  std::vector<UnsyncedRename> renames_;
  int num_replaced_ = 0;
  bool ignores_syncs_ = false;
};

}  // namespace dime::sim
