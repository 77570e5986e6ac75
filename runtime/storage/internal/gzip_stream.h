// runtime/storage/internal/gzip_stream.h - a gzip file's contents (RFC 1952): one member or
// several, one after another.
//
// Each member's CRC and length are checked. What follows the last member is damage, but for zeros,
// with which tapes and block devices fill up.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "runtime/storage/input_stream.h"

namespace dime::storage::internal {

// How many bytes LooksLikeGzip() wants to see.
inline constexpr std::size_t kGzipMagicBytes = 3;

// Whether a file that starts with `start` is a gzip file.
[[nodiscard]] bool LooksLikeGzip(std::string_view start);

absl::StatusOr<std::unique_ptr<InputStream>> NewGzipStream(std::unique_ptr<ReadableFile> file,
                                                           const std::string& path);

}  // namespace dime::storage::internal
