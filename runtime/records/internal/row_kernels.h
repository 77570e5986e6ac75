// runtime/records/internal/row_kernels.h - the loops over plain rows (lines without quotes) and
// their fields, as a table of functions.
//
// Written once (row_kernels_impl.h) and compiled for several instruction sets, each in a source
// file of its own with its own compiler flags; the best that the processor has is taken. All give
// the same results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

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

// One field of every row: it starts at text + starts[row * stride] and ends a byte before the next.
struct FieldColumn {
  const char* text = nullptr;
  const std::uint32_t* starts = nullptr;
  std::size_t stride = 0;
  bool is_last = false;  // Before a line feed, where a carriage return is part of the line end.
};

// A text of up to kMaxKeyTextBytes, zeros, and its size in the last byte.
inline constexpr std::size_t kMaxKeyTextBytes = 31;
struct alignas(32) TextKey {
  char bytes[kMaxKeyTextBytes + 1] = {};
};
inline constexpr std::size_t kNumTextSlots = 512;

struct RowKernels {
  const char* name;
  // Returns how many rows of num_fields fields there are from the start of the text up to a quote,
  // a line of another number of fields, or one of the limits.
  std::size_t (*scan_rows)(const RowScan& scan);
  // Gives each row's text the one slot of `keys` where it may be. Returns the first row from `row`
  // on whose text is not there, or num_rows; its slot is kNumTextSlots when it is too long for one.
  std::size_t (*match_texts)(const FieldColumn& column, std::size_t row, std::size_t num_rows,
                             const TextKey* keys, std::uint16_t* slots);
  // Reads fields of 1 to 8 digits, perhaps after one blank; others are named in is_other, and
  // their numbers have no sense.
  void (*read_digits)(const FieldColumn& column, std::size_t num_rows, float* numbers,
                      bool* is_other);
};

extern const RowKernels kGenericRowKernels;
#if defined(__x86_64__)
extern const RowKernels kAvx2RowKernels;
extern const RowKernels kAvx512RowKernels;
#endif

// The kernels that this processor can run, the best ones first.
std::span<const RowKernels* const> SupportedRowKernels();
// The best, or those that DIME_CPU_KERNELS names when this is first asked.
const RowKernels& BestRowKernels();

}  // namespace dime::records::internal
