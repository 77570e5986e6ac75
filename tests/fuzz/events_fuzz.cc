// Any bytes, framed as a record so that the CRCs do not hide the decoder, are read or refused.
#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/records/events.h"
#include "runtime/records/tfrecord.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string file;
  dime::records::AppendRecord({reinterpret_cast<const char*>(data), size}, &file);
  (void)dime::records::ReadEvents(file);
  return 0;
}
