// runtime/records/csv.h - splits CSV text into records and fields, as RFC 4180 and TensorFlow's
// DecodeCSV do.
//
// A record ends at LF, CRLF or the end of the text. A field that starts with a quote ends at the
// matching one; "" inside stands for one quote; separators and line ends inside are data. Blanks
// belong to the field. A blank line is no record. Bad are: a quote inside an unquoted field, text
// after a closing quote, a quote that is never closed, a record that is too long. Only the line
// that a bad record starts on is given up: a stray quote costs one line, not the rest of the file.
// All that is said of quotes here holds where the dialect has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/records/text_rows.h"

namespace dime::records {

struct CsvDialect {
  char separator = ',';
  bool has_quotes = true;  // Or else a quote is a character like any other.
  std::size_t max_record_bytes = std::size_t{1}
                                 << 20;  // A longer record is bad; reading goes on after it.
};

// Reads records one after another from text that stays alive and unchanged meanwhile.
class CsvReader {
 public:
  CsvReader(std::string_view text, const CsvDialect& dialect);

  // Moves to the next record. False at the end. On true, either fields() are valid or error() says
  // what is wrong with this record; calling Next() again goes on with the record after it.
  bool Next();

  // Moves over the plain records that come next, at most a block of them, and fills `rows` with
  // them: lines of `num_fields` fields without quotes. False when the next record is none, or too
  // near to the end of the text: then Next() reads it. Much faster than Next(); line() and offset()
  // are then those of the first row, of which each is a line.
  bool NextRows(std::size_t num_fields, TextRows* rows);

  // The fields of the current record: views into the text, or into this reader where quotes had to
  // be resolved; valid until the next call of Next().
  [[nodiscard]] const std::vector<std::string_view>& fields() const { return fields_; }
  [[nodiscard]] const std::string& error() const { return error_; }  // "" for a good record.
  [[nodiscard]] int error_field() const {
    return error_field_;
  }  // 0-based; -1: the record as a whole.

  // Where the current record starts: 0-based line (counting the lines inside quotes) and byte. At
  // the end: how many lines and bytes there were.
  [[nodiscard]] std::int64_t line() const { return record_line_; }
  [[nodiscard]] std::size_t offset() const { return record_offset_; }
  // The record's text, without its line end.
  [[nodiscard]] std::string_view record() const {
    return text_.substr(record_offset_, record_size_);
  }

 private:
  void ReadRecord();
  void ReadQuotedRecord();
  bool ReadQuotedField(std::size_t* position);
  bool ReadUnquotedField(std::size_t* position);
  bool AtLineEnd(std::size_t position) const;
  std::size_t FindLineEnd(std::size_t position) const;
  std::string_view LineFrom(std::size_t position) const;
  void AddField(std::size_t start, std::size_t end);
  void FinishRecord(std::size_t line_end, std::int64_t num_lines);
  void Fail(int field, std::string error);
  [[nodiscard]] std::size_t RecordLimit() const;
  [[nodiscard]] bool IsPlain(std::string_view row) const;

  std::string_view text_;
  CsvDialect dialect_;
  std::size_t position_ = 0;
  std::int64_t next_line_ = 0;
  std::int64_t record_line_ = 0;
  std::size_t record_offset_ = 0;
  std::size_t record_size_ = 0;
  std::vector<std::string_view> fields_;
  std::deque<std::string> unescaped_;  // What fields_ of the record point to when "" was resolved.
  std::string error_;
  int error_field_ = -1;
};

}  // namespace dime::records
