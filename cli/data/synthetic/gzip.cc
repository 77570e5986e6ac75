#include "cli/data/synthetic/gzip.h"

#include <zlib.h>

#include <new>

#include "runtime/base/check.h"

namespace dime::cli {
namespace {

void AppendLittleEndian(std::uint32_t value, std::string* out) {
  for (int shift = 0; shift < 32; shift += 8) *out += static_cast<char>(value >> shift);
}

}  // namespace

void Deflate(std::string_view text, GzipPiece* piece) {
  constexpr int kNoWrapping = -MAX_WBITS;
  constexpr int kMemory = 8;  // zlib's default.
  constexpr std::size_t kRoomForFlush = 16;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kNoWrapping, kMemory, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    throw std::bad_alloc();
  }
  piece->deflated.resize(deflateBound(&stream, text.size()) + kRoomForFlush);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(piece->deflated.data());
  stream.avail_out = static_cast<uInt>(piece->deflated.size());
  const int result = deflate(&stream, Z_SYNC_FLUSH);
  DIME_CHECK(result == Z_OK && stream.avail_in == 0 && stream.avail_out > 0);
  piece->deflated.resize(stream.total_out);
  deflateEnd(&stream);
  piece->text_bytes = text.size();
  piece->crc = static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

// Magic number, deflate, no flags, no time, "fastest", any system.
std::string_view GzipFrame::Header() { return {"\x1f\x8b\x08\0\0\0\0\0\x04\xff", 10}; }

void GzipFrame::Add(const GzipPiece& piece) {
  crc_ = static_cast<std::uint32_t>(
      crc32_combine(crc_, piece.crc, static_cast<z_off_t>(piece.text_bytes)));
  text_bytes_ += piece.text_bytes;
}

std::string GzipFrame::Trailer() const {
  std::string trailer("\x03\0", 2);  // A last block with nothing in it.
  AppendLittleEndian(crc_, &trailer);
  AppendLittleEndian(static_cast<std::uint32_t>(text_bytes_), &trailer);
  return trailer;
}

}  // namespace dime::cli
