// ops/dropout.h - outputs of a layer that a training step leaves out (Srivastava et al., JMLR
// 2014).
#pragma once

#include <cstdint>

#include "ops/dense.h"

namespace dime::ops {

// Names the outputs of one layer in one step: what is left out is a function of it and of an
// output's row and column.
struct DropoutKey {
  std::uint64_t step = 0;
  std::uint64_t layer = 0;
};

// Sets each element of y to 0 with the chance `rate` (in [0, 1)), and divides the others by
// 1 - rate, so that means stay. `first_row` is the number of y's first row in its batch.
void Dropout(float rate, const DropoutKey& key, std::int64_t first_row, MatrixView y);

// y *= factor.
void Scale(float factor, MatrixView y);

}  // namespace dime::ops
