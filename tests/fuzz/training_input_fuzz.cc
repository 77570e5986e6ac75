// Any text is a training page, a tier and machine types, or is refused; a shape that was accepted
// keeps to the limits.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/cluster/training_input.h"

namespace {

dime::cluster::TierLibrary MakeLibrary() {
  dime::cluster::TierLibrary library;
  DIME_CHECK(library.AddMachineTypes("machine_types: {standard: {cores: 4}}", "m.yaml").ok());
  DIME_CHECK(library.AddTier("{name: BASIC, masterType: standard}", "t.yaml").ok());
  return library;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dime::cluster::TierLibrary kLibrary = MakeLibrary();
  const std::string_view page(reinterpret_cast<const char*>(data), size);
  const auto input = dime::cluster::ResolveTrainingInput(page, "fuzz.yaml", {}, kLibrary);
  if (input.ok()) {
    const dime::cluster::RoleCounts counts = input->shape.Counts();
    DIME_CHECK(counts.masters == 1 && counts.Total() <= dime::cluster::kMaxReplicas);
    DIME_CHECK(input->shape.workers.count == 0 || input->shape.workers.machine.cores > 0);
  }
  dime::cluster::TierLibrary library = kLibrary;
  (void)library.AddMachineTypes(page, "fuzz.yaml");
  (void)library.AddTier(page, "fuzz.yaml");
  for (const dime::cluster::Tier* const tier : library.Tiers()) {
    DIME_CHECK(tier->shape.Counts().Total() <= dime::cluster::kMaxReplicas);
  }
  return 0;
}
