// runtime/records/text_rows.h - rows of text that are cut into fields: a block of them at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dime::records {

// Rows that lie one after another in a text and have the same number of fields. One byte stands
// between two fields: a separator or a line feed. The text outlives this object.
class TextRows {
 public:
  static constexpr std::size_t kMaxRows = 256;
  // So many bytes behind the last row are there too: who takes a field may load whole words of it.
  static constexpr std::size_t kReadableBytes = 32;

  [[nodiscard]] std::size_t num_rows() const { return num_rows_; }
  [[nodiscard]] std::size_t num_fields() const { return num_fields_; }

  // One field of every row, for loops over rows.
  class Column {
   public:
    std::string_view operator[](std::size_t row) const {
      const std::uint32_t* const start = starts_ + row * stride_;
      const char* const first = text_ + start[0];
      std::size_t size = start[1] - start[0] - 1;
      if (is_last_ && size > 0 && first[size - 1] == '\r') --size;
      return {first, size};
    }

   private:
    friend class TextRows;
    const char* text_ = nullptr;
    const std::uint32_t* starts_ = nullptr;
    std::size_t stride_ = 0;
    bool is_last_ = false;  // Before a line feed, where a carriage return is part of the line end.
  };

  [[nodiscard]] Column column(std::size_t position) const {
    Column column;
    column.text_ = text_;
    column.starts_ = starts_.data() + position;
    column.stride_ = num_fields_;
    column.is_last_ = position + 1 == num_fields_;
    return column;
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
