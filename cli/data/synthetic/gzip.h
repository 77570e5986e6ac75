// cli/data/synthetic/gzip.h - gzip (RFC 1952) of text whose pieces are compressed apart from each
// other, by any threads, into one stream.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dime::cli {

struct GzipPiece {
  std::string deflated;  // Ends at a byte, and not the stream.
  std::uint32_t crc = 0;
  std::uint64_t text_bytes = 0;
};

// Compresses for speed. Out of memory it throws std::bad_alloc.
void Deflate(std::string_view text, GzipPiece* piece);

// What stands around the pieces of one stream. Threads: one.
class GzipFrame {
 public:
  [[nodiscard]] static std::string_view Header();
  void Add(const GzipPiece& piece);  // In the order in which they stand.
  [[nodiscard]] std::string Trailer() const;

 private:
  std::uint32_t crc_ = 0;
  std::uint64_t text_bytes_ = 0;
};

}  // namespace dime::cli
