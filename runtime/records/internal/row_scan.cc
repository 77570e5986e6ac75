#include "runtime/records/internal/row_scan.h"

#include <bit>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace dime::records::internal {
namespace {

// Bit i says what byte i of a block is.
struct Structure {
  std::uint64_t field_ends = 0;  // Separators and line feeds.
  std::uint64_t line_feeds = 0;
  std::uint64_t quotes = 0;
};

#if defined(__SSE2__)
std::uint64_t BytesEqual(const __m128i (&bytes)[4], char c) {
  const __m128i wanted = _mm_set1_epi8(c);
  std::uint64_t found = 0;
  for (int i = 0; i < 4; ++i) {
    const auto bits =
        static_cast<std::uint16_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes[i], wanted)));
    found |= std::uint64_t{bits} << (16 * i);
  }
  return found;
}

Structure FindStructure(const char* block, char separator) {
  __m128i bytes[4];
  for (int i = 0; i < 4; ++i) {
    bytes[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * i));
  }
  const std::uint64_t line_feeds = BytesEqual(bytes, '\n');
  return {.field_ends = BytesEqual(bytes, separator) | line_feeds,
          .line_feeds = line_feeds,
          .quotes = BytesEqual(bytes, '"')};
}
#else
Structure FindStructure(const char* block, char separator) {
  Structure found;
  for (std::size_t i = 0; i < kScanBytes; ++i) {
    const std::uint64_t bit = std::uint64_t{1} << i;
    if (block[i] == separator) found.field_ends |= bit;
    if (block[i] == '\n') found.line_feeds |= bit;
    if (block[i] == '"') found.quotes |= bit;
  }
  found.field_ends |= found.line_feeds;
  return found;
}
#endif

// Bits below the lowest of `bits`; all when there is none.
std::uint64_t Below(std::uint64_t bits) { return ~bits & (bits - 1); }

}  // namespace

std::size_t ScanRows(const RowScan& scan) {
  std::uint32_t* start = scan.starts;
  *start++ = 0;
  std::size_t num_rows = 0;
  const std::uint32_t* row_end = start + scan.num_fields;  // Where `start` is behind a right row.
  for (std::size_t block = 0; block + kScanBytes <= scan.num_bytes; block += kScanBytes) {
    if (start + kScanBytes > scan.starts + scan.capacity) break;
    Structure structure = FindStructure(scan.text + block, scan.separator);
    if (structure.quotes != 0) {
      structure.field_ends &= Below(structure.quotes);
      structure.line_feeds &= Below(structure.quotes);
    }
    const std::uint32_t* const first = start;
    const auto behind = static_cast<std::uint32_t>(block + 1);
    for (std::uint64_t bits = structure.field_ends; bits != 0; bits &= bits - 1) {
      *start++ = behind + static_cast<std::uint32_t>(std::countr_zero(bits));
    }
    for (std::uint64_t bits = structure.line_feeds; bits != 0; bits &= bits - 1) {
      const int num_before = std::popcount(structure.field_ends & Below(bits));
      if (first + num_before + 1 != row_end) return num_rows;
      if (++num_rows == scan.max_rows) return num_rows;
      row_end += scan.num_fields;
    }
    if (structure.quotes != 0) break;
  }
  return num_rows;
}

}  // namespace dime::records::internal
