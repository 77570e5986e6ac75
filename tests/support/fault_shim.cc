// A library to be preloaded (LD_PRELOAD) into a program whose disk is to fail: calls on files go
// wrong as DIME_FAULTS says, which is rules with `;` between them:
//
//   CALL PATTERN [nth=N] [for=COUNT] [errno=NUMBER | short=BYTES] [ms=DELAY]
//
// CALL: open, write, fsync or rename; PATTERN: as fnmatch(3) takes it, of the path (rename: the new
// one). Of the calls that match, the N-th (1 is the first, and the default) and those after it,
// COUNT in all (default: every one), fail with that errno, or write so many bytes alone, or are
// late; late ones without an errno succeed. The count is each process's own.
#include <dlfcn.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

struct Rule {
  std::string call;
  std::string pattern;
  long nth = 1;
  long count = -1;  // Below 0: every one.
  int error_number = 0;
  long short_bytes = -1;
  long delay_ms = 0;
  std::atomic<long>* seen = new std::atomic<long>(0);
};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : text + separator) {
    if (c != separator) {
      part += c;
    } else if (!part.empty()) {
      parts.push_back(part);
      part.clear();
    }
  }
  return parts;
}

[[noreturn]] void Refuse(const std::string& rule) {
  dprintf(STDERR_FILENO, "DIME_FAULTS: '%s' is no rule\n", rule.c_str());
  _exit(64);
}

Rule ParseRule(const std::string& text) {
  const std::vector<std::string> words = Split(text, ' ');
  if (words.size() < 3) Refuse(text);
  Rule rule;
  rule.call = words[0];
  rule.pattern = words[1];
  for (std::size_t i = 2; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    if (equals == std::string::npos) Refuse(text);
    const std::string name = words[i].substr(0, equals);
    const long value = std::atol(words[i].c_str() + equals + 1);
    if (name == "nth") {
      rule.nth = value;
    } else if (name == "for") {
      rule.count = value;
    } else if (name == "errno") {
      rule.error_number = static_cast<int>(value);
    } else if (name == "short") {
      rule.short_bytes = value;
    } else if (name == "ms") {
      rule.delay_ms = value;
    } else {
      Refuse(text);
    }
  }
  return rule;
}

const std::vector<Rule>& Rules() {
  static const std::vector<Rule>* const rules = [] {
    auto* const parsed = new std::vector<Rule>;
    const char* const text = std::getenv("DIME_FAULTS");
    for (const std::string& rule : Split(text == nullptr ? "" : text, ';')) {
      parsed->push_back(ParseRule(rule));
    }
    return parsed;
  }();
  return *rules;
}

// The rule that holds for this call; null: none.
const Rule* Find(const char* call, const char* path) {
  for (const Rule& rule : Rules()) {
    if (rule.call != call || fnmatch(rule.pattern.c_str(), path, 0) != 0) continue;
    const long number = ++*rule.seen;
    if (number < rule.nth || (rule.count >= 0 && number >= rule.nth + rule.count)) continue;
    if (rule.delay_ms > 0) {
      const timespec delay = {rule.delay_ms / 1000, rule.delay_ms % 1000 * 1'000'000};
      nanosleep(&delay, nullptr);
    }
    return &rule;
  }
  return nullptr;
}

const Rule* FindFor(const char* call, int descriptor) {
  char link[64];
  char path[4096];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, path, sizeof(path) - 1);
  if (length < 0) return nullptr;
  path[length] = '\0';
  return Find(call, path);
}

bool Fails(const Rule* rule) {
  if (rule == nullptr || rule->error_number == 0) return false;
  errno = rule->error_number;
  return true;
}

template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

int OpenOr(const char* name, const char* path, int flags, mode_t mode) {
  static auto* const real_open = Next<int(const char*, int, ...)>("open");
  static auto* const real_open64 = Next<int(const char*, int, ...)>("open64");
  if (Fails(Find("open", path))) return -1;
  return (strcmp(name, "open") == 0 ? real_open : real_open64)(path, flags, mode);
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return OpenOr("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return OpenOr("open64", path, flags, mode);
}

ssize_t write(int descriptor, const void* data, size_t size) {
  static auto* const real = Next<ssize_t(int, const void*, size_t)>("write");
  const Rule* const rule = descriptor > STDERR_FILENO ? FindFor("write", descriptor) : nullptr;
  if (Fails(rule)) return -1;
  if (rule != nullptr && rule->short_bytes >= 0 && static_cast<size_t>(rule->short_bytes) < size) {
    size = static_cast<size_t>(rule->short_bytes);
  }
  return real(descriptor, data, size);
}

int fsync(int descriptor) {
  static auto* const real = Next<int(int)>("fsync");
  return Fails(FindFor("fsync", descriptor)) ? -1 : real(descriptor);
}

int rename(const char* from, const char* to) {
  static auto* const real = Next<int(const char*, const char*)>("rename");
  return Fails(Find("rename", to)) ? -1 : real(from, to);
}

}  // extern "C"
