// Any text is a TF_CONFIG or is refused; what was accepted is written and read back to the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/cluster/tf_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using dime::cluster::ParseTfConfig;
  const auto config = ParseTfConfig({reinterpret_cast<const char*>(data), size});
  if (!config.ok()) return 0;
  const auto again = ParseTfConfig(dime::cluster::FormatTfConfig(*config));
  DIME_CHECK(again.ok() && *again == *config);
  return 0;
}
