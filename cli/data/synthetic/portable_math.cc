#include "cli/data/synthetic/portable_math.h"

#include <cmath>
#include <numbers>

namespace dime::cli {

// ln(m * 2^k) = k ln 2 + 2 artanh((m - 1) / (m + 1)), with m near 1 so that the series is short.
double PortableLog(double x) {
  constexpr int kTerms = 14;
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);  // In [0.5, 1).
  if (mantissa < 0.5 * std::numbers::sqrt2) {
    mantissa *= 2;
    --exponent;
  }
  const double ratio = (mantissa - 1) / (mantissa + 1);
  double sum = 0;
  for (int n = 2 * kTerms - 1; n > 0; n -= 2) sum = sum * ratio * ratio + 1.0 / n;
  return exponent * std::numbers::ln2 + 2 * ratio * sum;
}

// e^x = 2^k e^r with |r| <= ln 2 / 2, and Taylor's series for e^r.
double PortableExp(double x) {
  constexpr int kTerms = 18;
  const double power = std::floor(x / std::numbers::ln2 + 0.5);
  const double rest = x - power * std::numbers::ln2;
  double sum = 1;
  for (int n = kTerms; n > 0; --n) sum = 1 + sum * rest / n;
  return std::ldexp(sum, static_cast<int>(power));
}

double PortablePower(double x, double exponent) { return PortableExp(exponent * PortableLog(x)); }

}  // namespace dime::cli
