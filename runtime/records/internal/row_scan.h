// runtime/records/internal/row_scan.h - finds the fields of plain rows: lines without quotes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dime::records::internal {

// Text is looked at in blocks of so many bytes.
inline constexpr std::size_t kScanBytes = 64;

struct RowScan {
  const char* text = nullptr;
  std::size_t num_bytes = 0;  // Those that may be looked at; whole blocks are.
  char separator = ',';
  std::size_t num_fields = 0;
  std::size_t max_rows = 0;
  // Where the fields start, the first row's at 0, and behind the last row.
  std::uint32_t* starts = nullptr;
  std::size_t capacity = 0;  // Of `starts`; more than fields in all rows by kScanBytes and 1.
};

// Returns how many rows of num_fields fields there are from the start of the text up to a quote, a
// line of another number of fields, or one of the limits.
std::size_t ScanRows(const RowScan& scan);

}  // namespace dime::records::internal
