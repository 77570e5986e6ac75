// worker/input/record_parser.h - CSV text to examples, and to what is said about its bad records.
//
// Threads: const methods may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/batch.h"
#include "models/record_encoder.h"
#include "runtime/records/csv.h"

namespace dime::worker {

// How many bad records of an input are described.
inline constexpr std::size_t kMaxBadRecordMessages = 10;

struct BadRecord {
  std::int64_t line = 0;  // 0-based, from the start of the text.
  std::string message;    // "field 5 ('education_num'): ' x7' is not an integer"
};

struct ParsedText {
  models::Batch examples;
  std::int64_t num_lines = 0;  // A last one need not have a line end.
  std::int64_t num_bad_records = 0;
  std::vector<BadRecord> bad_records;  // The first kMaxBadRecordMessages.
};

class RecordParser {
 public:
  // Both outlive this object.
  RecordParser(const models::InputFormat& format, const models::RecordEncoder& encoder,
               std::size_t max_record_bytes);

  // Whether whole lines of text can be parsed apart from each other.
  [[nodiscard]] bool EveryLineIsARecord(std::string_view whole_lines) const {
    return !dialect_.has_quotes || whole_lines.find('"') == std::string_view::npos;
  }

  // Parses text that consists of whole records.
  [[nodiscard]] ParsedText ParseWhole(std::string_view text) const;

  // Parses text whose last record may go on beyond it, and leaves that one out. `consumed` says how
  // far it came.
  [[nodiscard]] ParsedText ParsePrefix(std::string_view text, std::size_t* consumed) const;

  // A record that was left out although more bytes of it are there has a first line that is longer
  // than a record may be.
  [[nodiscard]] std::size_t max_undecided_bytes() const {
    return dialect_.max_record_bytes + 2;  // And its line end.
  }
  // What is said about it; `text` is its start.
  [[nodiscard]] BadRecord TooLong(std::string_view text) const;

 private:
  bool MayReadOtherwise(const records::CsvReader& reader, std::size_t text_size) const;
  void ParseRows(const records::TextRows& rows, std::int64_t first_line, ParsedText* parsed) const;
  void ParseRecord(const records::CsvReader& reader, ParsedText* parsed) const;
  void AddBadRecord(std::string_view record, std::int64_t line, const models::RecordError& error,
                    ParsedText* parsed) const;

  const models::InputFormat& format_;
  const models::RecordEncoder& encoder_;
  records::CsvDialect dialect_;
};

}  // namespace dime::worker
