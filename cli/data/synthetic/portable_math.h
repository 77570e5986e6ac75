// cli/data/synthetic/portable_math.h - logarithms and powers with the same bits on every processor.
//
// The C library's differ in the last bit from one processor to the next; these use nothing but
// sums, products and quotients, which IEEE 754 rounds in one way only. For tables, not for inner
// loops.
#pragma once

namespace dime::cli {

// The natural logarithm of x > 0, and e to the power of x; within a few units of the last place.
[[nodiscard]] double PortableLog(double x);
[[nodiscard]] double PortableExp(double x);
// x > 0 to the power of `exponent`.
[[nodiscard]] double PortablePower(double x, double exponent);

}  // namespace dime::cli
