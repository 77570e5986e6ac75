// Any bytes are parsed or refused; what was parsed keeps its meaning when written and parsed again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/records/example.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto example = dime::records::ParseExample({reinterpret_cast<const char*>(data), size});
  if (!example.ok()) return 0;
  const std::string once = dime::records::SerializeExample(*example);
  const auto again = dime::records::ParseExample(once);
  DIME_CHECK(again.ok() && dime::records::SerializeExample(*again) == once);
  return 0;
}
