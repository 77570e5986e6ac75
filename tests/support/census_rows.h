// tests/support/census_rows.h - made-up rows like the census data's: the same for a seed on every
// machine.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "cli/data/synthetic/write_rows.h"

namespace dime::testing {

// Writes rows to `path` and returns it.
inline std::string WriteCensusRows(const std::string& path, int num_rows, std::uint64_t seed = 1) {
  std::ofstream(path) << cli::SyntheticCsv(*cli::MakeCensusRows({}), num_rows, seed);
  return path;
}

}  // namespace dime::testing
