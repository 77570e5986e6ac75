#include "runtime/records/row_values.h"

#include <cstring>

#include "runtime/base/check.h"

namespace dime::records {

void ReadDigits(const TextRows::Column& column, float* numbers, bool* is_other) {
  internal::BestRowKernels().read_digits(column.fields(), column.num_rows(), numbers, is_other);
}

std::vector<internal::TextKey> TextTable::MakeEmpty() {
  internal::TextKey no_text;
  no_text.bytes[internal::kMaxKeyTextBytes] = -1;
  return std::vector<internal::TextKey>(kNumSlots, no_text);
}

std::size_t TextTable::Match(const TextRows::Column& column, std::size_t row,
                             std::uint16_t* slots) const {
  return internal::BestRowKernels().match_texts(column.fields(), row, column.num_rows(),
                                                keys_.data(), slots);
}

void TextTable::Put(std::string_view text, std::uint16_t slot) {
  DIME_CHECK(text.size() <= internal::kMaxKeyTextBytes && slot < kNumSlots);
  internal::TextKey& key = keys_[slot];
  key = {};
  std::memcpy(key.bytes, text.data(), text.size());
  key.bytes[internal::kMaxKeyTextBytes] = static_cast<char>(text.size());
}

}  // namespace dime::records
