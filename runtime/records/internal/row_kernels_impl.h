// runtime/records/internal/row_kernels_impl.h - included by the sources that compile it for an
// instruction set, inside an unnamed namespace: nothing of it is linked into another, which is why
// it calls no function of the standard library but memcpy.
//
// A set is a struct of what the loops are made of; see Generic for all of it.

// Bit i says what byte i of a block is.
struct Structure {
  std::uint64_t field_ends = 0;  // Separators and line feeds.
  std::uint64_t line_feeds = 0;
  std::uint64_t quotes = 0;
};

// The bits below the lowest of `bits`; all when there is none.
inline std::uint64_t Below(std::uint64_t bits) { return ~bits & (bits - 1); }

// Writes first + i for each bit i, and behind them up to 7 numbers without sense. A turn for every
// bit would make the processor guess wrong, once a block, where the turns end.
[[maybe_unused]] inline std::uint32_t* WritePositionsByEights(std::uint64_t bits,
                                                              std::uint32_t first,
                                                              std::uint32_t* out) {
  constexpr std::uint64_t kLastBit = std::uint64_t{1} << 63;  // Some bit for the builtin to find.
  std::uint32_t* const end = out + __builtin_popcountll(bits);
  for (; out < end; out += 8) {
    for (int i = 0; i < 8; ++i, bits &= bits - 1) {
      out[i] = first + static_cast<std::uint32_t>(__builtin_ctzll(bits | kLastBit));
    }
  }
  return end;
}

template <typename Set>
std::size_t ScanRows(const RowScan& scan) {
  std::uint32_t* start = scan.starts;
  *start++ = 0;
  std::size_t num_rows = 0;
  const std::uint32_t* row_end = start + scan.num_fields;  // Where `start` is behind a right row.
  for (std::size_t block = 0; block + kScanBytes <= scan.num_bytes; block += kScanBytes) {
    if (start + kScanBytes > scan.starts + scan.capacity) break;
    Structure structure = Set::Find(scan.text + block, scan.separator);
    if (structure.quotes != 0) {
      structure.field_ends &= Below(structure.quotes);
      structure.line_feeds &= Below(structure.quotes);
    }
    const std::uint32_t* const first = start;
    start = Set::WritePositions(structure.field_ends, static_cast<std::uint32_t>(block + 1), start);
    for (std::uint64_t bits = structure.line_feeds; bits != 0; bits &= bits - 1) {
      const int num_before = __builtin_popcountll(structure.field_ends & Below(bits));
      if (first + num_before + 1 != row_end) return num_rows;
      if (++num_rows == scan.max_rows) return num_rows;
      row_end += scan.num_fields;
    }
    if (structure.quotes != 0) break;
  }
  return num_rows;
}

// By size: which bytes of a key are the text's, and the size where a key has it.
struct KeyMasks {
  TextKey text[kMaxKeyTextBytes + 1];
  TextKey size[kMaxKeyTextBytes + 1];
  constexpr KeyMasks() {
    for (std::size_t size_bytes = 0; size_bytes <= kMaxKeyTextBytes; ++size_bytes) {
      for (std::size_t i = 0; i < size_bytes; ++i) text[size_bytes].bytes[i] = -1;
      size[size_bytes].bytes[kMaxKeyTextBytes] = static_cast<char>(size_bytes);
    }
  }
};
[[maybe_unused]] constexpr KeyMasks kKeyMasks;

struct FieldText {
  const char* first;
  std::size_t size;
};

inline FieldText TextAt(const FieldColumn& column, std::size_t row) {
  const std::uint32_t* const start = column.starts + row * column.stride;
  const char* const first = column.text + start[0];
  std::size_t size = start[1] - start[0] - 1;
  if (column.is_last && size > 0 && first[size - 1] == '\r') --size;
  return {first, size};
}

template <typename Set>
std::size_t MatchTexts(const FieldColumn& all, std::size_t row, std::size_t num_rows,
                       const TextKey* keys, std::uint16_t* slots) {
  const FieldColumn column = all;  // In registers: the slots are written between reads of it.
  for (; row < num_rows; ++row) {
    const FieldText text = TextAt(column, row);
    if (text.size > kMaxKeyTextBytes) {
      slots[row] = kNumTextSlots;
      return row;
    }
    const typename Set::Key key = Set::MakeKey(text.first, text.size);
    const std::size_t slot = Set::Hash(key) % kNumTextSlots;
    slots[row] = static_cast<std::uint16_t>(slot);
    if (!Set::IsEqual(key, keys[slot])) return row;
  }
  return row;
}

// Digits as bytes of 0 to 9, most significant first, with zeros before them.
inline std::uint64_t LoadDigits(const FieldText& text, bool* is_other) {
  const std::size_t blank = *text.first == ' ' ? 1 : 0;
  const std::size_t size = text.size - blank;
  *is_other = size - 1 >= 8;  // None is, too.
  std::uint64_t bytes = 0;
  __builtin_memcpy(&bytes, text.first + blank, sizeof(bytes));
  return (bytes ^ 0x3030303030303030) << (-8 * size % 64);
}

inline void ReadDigitsOneByOne(const FieldColumn& all, std::size_t row, std::size_t num_rows,
                               float* numbers, bool* is_other) {
  const FieldColumn column = all;
  for (; row < num_rows; ++row) {
    std::uint64_t digits = LoadDigits(TextAt(column, row), &is_other[row]);
    is_other[row] |= ((digits | (digits + 0x7676767676767676)) & 0x8080808080808080) != 0;
    digits = digits * 10 + (digits >> 8);  // Pairs, then fours and eights of digits.
    digits = ((digits & 0x000000ff000000ff) * 0x000f424000000064 +
              ((digits >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
             32;
    numbers[row] = static_cast<float>(static_cast<std::int32_t>(digits));
  }
}

// Set::kNumDigitWords words of digits at a time, which are never in memory: to load at once what
// was just stored in parts makes the processor wait.
template <typename Set>
void ReadDigits(const FieldColumn& all, std::size_t num_rows, float* numbers, bool* is_other) {
  constexpr std::size_t kWords = Set::kNumDigitWords;
  const FieldColumn column = all;
  std::size_t row = 0;
  for (; row + kWords <= num_rows; row += kWords) {
    const auto digits_of = [&column, is_other, row](std::size_t i) {
      return static_cast<long long>(LoadDigits(TextAt(column, row + i), &is_other[row + i]));
    };
    const std::uint64_t wrong_bytes = Set::AddUpDigits(digits_of, numbers + row);
    if (wrong_bytes == 0) continue;
    for (std::size_t i = 0; i < kWords; ++i) {
      is_other[row + i] |= (wrong_bytes >> (8 * i) & 0xff) != 0;
    }
  }
  ReadDigitsOneByOne(column, row, num_rows, numbers, is_other);
}

template <typename Set>
constexpr RowKernels MakeKernels(const char* name) {
  return {name, ScanRows<Set>, MatchTexts<Set>, Set::ReadDigits};
}
