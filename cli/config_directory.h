// cli/config_directory.h - where the configurations that come with dime are.
#pragma once

#include <string>

namespace dime::cli {

// $DIME_CONFIGS, or ../share/dime/configs beside this program. It holds models/, tiers/ and
// machine_types.yaml.
[[nodiscard]] std::string ConfigDirectory();

}  // namespace dime::cli
