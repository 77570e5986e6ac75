// Any bytes are split into records that lie inside the text and do not overlap, and into the same
// ones when plain rows are taken a block at a time.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/records/csv.h"

namespace {

using dime::records::CsvReader;

// Both readers stand before the same records.
void CheckRows(std::string_view text, std::size_t num_fields, bool has_quotes) {
  CsvReader reader(text, {.has_quotes = has_quotes});
  CsvReader by_rows(text, {.has_quotes = has_quotes});
  dime::records::TextRows rows;
  while (true) {
    if (by_rows.NextRows(num_fields, &rows)) {
      for (std::size_t r = 0; r < rows.num_rows(); ++r) {
        DIME_CHECK(reader.Next() && reader.error().empty() && rows.row(r) == reader.record());
        DIME_CHECK(by_rows.line() + static_cast<std::int64_t>(r) == reader.line());
        DIME_CHECK(reader.fields().size() == num_fields);
        for (std::size_t f = 0; f < num_fields; ++f) {
          DIME_CHECK(rows.field(r, f) == reader.fields()[f]);
        }
      }
      continue;
    }
    const bool goes_on = reader.Next();
    DIME_CHECK(by_rows.Next() == goes_on && by_rows.line() == reader.line());
    if (!goes_on) return;
    DIME_CHECK(by_rows.fields() == reader.fields() && by_rows.error() == reader.error());
  }
}

void Read(std::string_view text, bool has_quotes) {
  CsvReader reader(text, {.separator = ',', .has_quotes = has_quotes, .max_record_bytes = 64});
  std::size_t end_of_last = 0;
  while (reader.Next()) {
    DIME_CHECK(reader.offset() >= end_of_last);
    end_of_last = reader.offset() + reader.record().size();
    DIME_CHECK(end_of_last <= text.size());
    if (!reader.error().empty()) continue;
    DIME_CHECK(!reader.fields().empty());
    for (const std::string_view field : reader.fields()) DIME_CHECK(field.size() <= 64);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool has_quotes : {true, false}) {
    Read(text, has_quotes);
    CheckRows(text, size == 0 ? 1 : 1 + data[0] % 4, has_quotes);
  }
  return 0;
}
