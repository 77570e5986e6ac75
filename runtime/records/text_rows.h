// runtime/records/text_rows.h - rows of text that are cut into fields: a block of them at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/records/internal/row_kernels.h"

namespace dime::records {

// Rows that lie one after another in a text and have the same number of fields. One byte stands
// between two fields: a separator or a line feed. The text outlives this object.
class TextRows {
 public:
  static constexpr std::size_t kMaxRows = 256;
  // So many bytes from the start of any field on may be read.
  static constexpr std::size_t kReadableBytes = 32;

  [[nodiscard]] std::size_t num_rows() const { return num_rows_; }
  [[nodiscard]] std::size_t num_fields() const { return num_fields_; }

  // One field of every row, for loops over rows.
  class Column {
   public:
    std::string_view operator[](std::size_t row) const {
      const std::uint32_t* const start = fields_.starts + row * fields_.stride;
      const char* const first = fields_.text + start[0];
      std::size_t size = start[1] - start[0] - 1;
      if (fields_.is_last && size > 0 && first[size - 1] == '\r') --size;
      return {first, size};
    }
    [[nodiscard]] std::size_t num_rows() const { return num_rows_; }
    [[nodiscard]] const internal::FieldColumn& fields() const { return fields_; }

   private:
    friend class TextRows;
    Column(const internal::FieldColumn& fields, std::size_t num_rows)
        : fields_(fields), num_rows_(num_rows) {}

    internal::FieldColumn fields_;
    std::size_t num_rows_;
  };

  [[nodiscard]] Column column(std::size_t position) const {
    return {{.text = text_,
             .starts = starts_.data() + position,
             .stride = num_fields_,
             .is_last = position + 1 == num_fields_},
            num_rows_};
  }
  [[nodiscard]] std::string_view field(std::size_t row, std::size_t position) const {
    return column(position)[row];
  }

  // The whole row, without its line end.
  [[nodiscard]] std::string_view row(std::size_t row) const {
    const char* const first = field(row, 0).data();
    const std::string_view last = field(row, num_fields_ - 1);
    return {first, static_cast<std::size_t>(last.data() + last.size() - first)};
  }

 private:
  friend class CsvReader;

  const char* text_ = nullptr;
  std::size_t num_rows_ = 0;
  std::size_t num_fields_ = 0;
  std::vector<std::uint32_t> starts_;  // Of the fields of all rows, and where the next would start.
};

}  // namespace dime::records
