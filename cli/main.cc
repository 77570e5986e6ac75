#include <fmt/format.h>

#include <exception>
#include <new>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/exit_codes.h"

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    return dime::cli::RunDime(words);
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "dime: out of memory\n");
    return dime::cli::kExitIo;
  } catch (const std::exception& error) {
    fmt::print(stderr, "dime: {}: this is a bug in dime, please report it\n", error.what());
    return dime::cli::kExitBug;
  }
}
