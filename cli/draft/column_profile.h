// cli/draft/column_profile.h - what a sample of rows says about each column.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/draft/table_format.h"

namespace dime::cli {

inline constexpr std::size_t kMaxDistinct = 50'000;  // Of a column; more are not told apart.

struct ColumnProfile {
  std::int64_t num_values = 0;   // Without those that are missing.
  std::int64_t num_missing = 0;  // Empty, or nothing but blanks.
  std::int64_t num_integers = 0;
  std::int64_t num_numbers = 0;    // Integers included.
  std::int64_t num_bytes = 0;      // Of all values together.
  std::int64_t num_not_there = 0;  // "NA", "?" and other words for a missing value.
  bool ascends = true;             // Every number is greater than the one before it.

  // How often each value was seen, without blanks around it.
  std::map<std::string, std::int64_t, std::less<>> counts;
  bool has_more_distinct = false;  // Than kMaxDistinct.
  std::vector<float> numbers;      // Sorted.

  [[nodiscard]] bool IsAllIntegers() const { return num_values > 0 && num_integers == num_values; }
  [[nodiscard]] bool IsAllNumbers() const { return num_values > 0 && num_numbers == num_values; }
  // Every value was seen once, of many.
  [[nodiscard]] bool IsAllDistinct() const;
  // Values that were seen once, as a share of the distinct ones.
  [[nodiscard]] double ShareOfSingles() const;
};

struct TableProfile {
  std::vector<ColumnProfile> columns;
  std::int64_t num_rows = 0;
  std::int64_t num_bad_rows = 0;  // Of another number of columns, or with a stray quote; left out.
  std::string first_bad_row;      // "line 7: ...", what is wrong with it.
};

// Of the first `max_rows` rows of `text`.
[[nodiscard]] TableProfile ProfileTable(std::string_view text, const TableFormat& format,
                                        std::int64_t max_rows);

// "NA", "?", "null": what people write for a value that is not there.
[[nodiscard]] bool MeansMissing(std::string_view value);

}  // namespace dime::cli
