#include "cli/config_directory.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace dime::cli {

std::string ConfigDirectory() {
  namespace files = std::filesystem;
  if (const char* const configs = std::getenv("DIME_CONFIGS"); configs != nullptr && *configs) {
    return configs;
  }
  std::error_code error;
  const files::path program = files::read_symlink("/proc/self/exe", error);
  return (program.parent_path().parent_path() / "share/dime/configs").string();
}

}  // namespace dime::cli
