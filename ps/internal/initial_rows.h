// ps/internal/initial_rows.h - what rows hold before the first update: a pure function of (seed,
// table name, row).
#pragma once

#include <cstdint>
#include <vector>

#include "ops/table.h"

namespace dime::ps::internal {

// A record before its weights are drawn: zeros, then the slots' starts.
[[nodiscard]] std::vector<float> StartRecord(const ops::TableSpec& spec);

// The weights of row `row`: spec.dim floats. Leaves those alone that start with zeros.
void DrawWeights(const ops::TableSpec& spec, std::uint64_t seed, std::int64_t row, float* weights);

}  // namespace dime::ps::internal
