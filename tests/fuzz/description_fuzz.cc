// Any text is a description or is refused; what was accepted is written and read back to the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "models/description.h"
#include "runtime/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view yaml(reinterpret_cast<const char*>(data), size);
  const auto description = dime::models::ParseDescription(yaml, "fuzz.yaml", "");
  if (!description.ok()) return 0;
  const std::string once = dime::models::FormatDescription(*description);
  const auto again = dime::models::ParseDescription(once, "again.yaml", "");
  DIME_CHECK(again.ok() && dime::models::FormatDescription(*again) == once);
  return 0;
}
