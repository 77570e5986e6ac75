// tests/support/limited_file_size.h - a disk that gets full, for tests.
#pragma once

#include <sys/resource.h>

#include <csignal>

namespace dime::testing {

// As long as it lives, a file-size limit fails a write half-way, as a full disk does.
class LimitedFileSize {
 public:
  explicit LimitedFileSize(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit = {.rlim_cur = bytes, .rlim_max = old_limit_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~LimitedFileSize() {
    setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, old_handler_);
  }
  LimitedFileSize(const LimitedFileSize&) = delete;
  LimitedFileSize& operator=(const LimitedFileSize&) = delete;

 private:
  rlimit old_limit_;
  void (*old_handler_)(int);
};

}  // namespace dime::testing
