// Any bytes are split into records that lie inside the text and do not overlap.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/records/csv.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  dime::records::CsvReader reader(text, {.separator = ',', .max_record_bytes = 64});
  std::size_t end_of_last = 0;
  while (reader.Next()) {
    DIME_CHECK(reader.offset() >= end_of_last);
    end_of_last = reader.offset() + reader.record().size();
    DIME_CHECK(end_of_last <= size);
    if (!reader.error().empty()) continue;
    DIME_CHECK(!reader.fields().empty());
    for (const std::string_view field : reader.fields()) DIME_CHECK(field.size() <= 64);
  }
  return 0;
}
