// cli/data/http_download.h - fetches one file over HTTP(S), going on where an earlier try stopped.
//
// Threads: any; the call blocks. Errors: kUnavailable (no answer, an HTTP error, a connection that
// broke or fell silent: what was received stays for the next try), kOutOfRange (larger than
// allowed), kCancelled, and those of runtime/storage for the local file.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "runtime/base/status.h"

namespace dime::cli {

struct DownloadOptions {
  // What an unreachable server costs at most, from the name look-up to the first byte; and how long
  // it may then be (nearly) silent, in whole seconds.
  std::chrono::milliseconds patience{5000};
  std::uint64_t max_bytes = 64u << 20;
  std::stop_token stop;
  // Bytes that are there, and in all (0: unknown). Called often, from the calling thread.
  std::function<void(std::uint64_t, std::uint64_t)> on_progress;
};

// Fetches `url` into `path`. If `path` is there, it is taken for the first bytes of the same file,
// and only the rest is asked for; whoever calls checks the whole, and deletes it when it is wrong.
absl::Status Download(const std::string& url, const std::string& path,
                      const DownloadOptions& options);

}  // namespace dime::cli
