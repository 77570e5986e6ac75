// Prints what a checkpoint says, as bytes to compare. Usage: print_variables PREFIX
#include <cstdio>

#include "tests/support/checkpoint_variables.h"

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  const std::string bytes = dime::testing::CheckpointVariables(argv[1]);
  std::fwrite(bytes.data(), 1, bytes.size(), stdout);
  return bytes.empty() ? 1 : 0;
}
