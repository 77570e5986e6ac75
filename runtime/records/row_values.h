// runtime/records/row_values.h - quick ways from the fields of rows to values, for what most fields
// look like. They say which fields do not: the caller takes those another way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/records/text_rows.h"

namespace dime::records {

// Reads the fields of 1 to 8 digits, perhaps after one blank, as numbers; sets is_other for all
// others, whose numbers have no sense. Both arrays have a place for each row.
void ReadDigits(const TextRows::Column& column, float* numbers, bool* is_other);

// Finds texts of up to 31 bytes that were put into it, one in each slot. A text can be in one slot
// only: putting it there takes out what was there before.
class TextTable {
 public:
  static constexpr std::size_t kNumSlots = internal::kNumTextSlots;

  // Fills in the slots of the column's texts from `row` on, and returns the first row whose text is
  // not in the table, or num_rows(). Such a text may be put into its slot, if that is below
  // kNumSlots: others are too long.
  std::size_t Match(const TextRows::Column& column, std::size_t row, std::uint16_t* slots) const;
  void Put(std::string_view text, std::uint16_t slot);

 private:
  std::vector<internal::TextKey> keys_ = MakeEmpty();

  static std::vector<internal::TextKey> MakeEmpty();
};

}  // namespace dime::records
