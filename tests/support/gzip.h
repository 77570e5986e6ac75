// tests/support/gzip.h - makes gzip files' bytes.
#pragma once

#include <zlib.h>

#include <string>
#include <string_view>

#include "runtime/base/check.h"

namespace dime::testing {

// One gzip member.
inline std::string Gzip(std::string_view data, int level = Z_DEFAULT_COMPRESSION) {
  constexpr int kGzip = 16 + MAX_WBITS;
  constexpr int kMemoryLevel = 8;
  z_stream deflater = {};
  DIME_CHECK(::deflateInit2(&deflater, level, Z_DEFLATED, kGzip, kMemoryLevel,
                            Z_DEFAULT_STRATEGY) == Z_OK);
  std::string compressed(::deflateBound(&deflater, data.size()), '\0');
  deflater.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  deflater.avail_in = static_cast<uInt>(data.size());
  deflater.next_out = reinterpret_cast<Bytef*>(compressed.data());
  deflater.avail_out = static_cast<uInt>(compressed.size());
  DIME_CHECK(::deflate(&deflater, Z_FINISH) == Z_STREAM_END);
  compressed.resize(deflater.total_out);
  ::deflateEnd(&deflater);
  return compressed;
}

}  // namespace dime::testing
