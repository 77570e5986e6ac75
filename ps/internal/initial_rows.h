// ps/internal/initial_rows.h - what rows hold before the first update: a pure function of (seed,
// table name, row).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/table.h"

namespace dime::ps::internal {

// A record before its weights are drawn: zeros, then the slots' starts.
[[nodiscard]] std::vector<float> StartRecord(const ops::TableSpec& spec);

// The weights of a table's rows.
class InitialWeights {
 public:
  InitialWeights(const ops::TableSpec& spec, std::uint64_t seed);

  // Of row `row`: as many floats as a row has. Leaves those alone that start with zeros.
  void Draw(std::int64_t row, std::span<float> weights) const;

 private:
  ops::Initializer initializer_;
  std::uint64_t key_;
};

}  // namespace dime::ps::internal
