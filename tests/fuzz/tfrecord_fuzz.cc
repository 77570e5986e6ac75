// Any bytes are split or refused; what was framed is split back.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/records/tfrecord.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)dime::records::SplitRecords(bytes);

  std::string framed;
  dime::records::AppendRecord(bytes, &framed);
  dime::records::AppendRecord(bytes.substr(0, size / 2), &framed);
  const auto records = dime::records::SplitRecords(framed);
  DIME_CHECK(records.ok() && records->size() == 2 && records->front() == bytes);
  return 0;
}
