#include "ops/half.h"

#include "ops/cpu/kernels.h"
#include "runtime/base/check.h"

namespace dime::ops {

void ToHalves(Precision precision, std::span<const float> values, std::span<std::uint16_t> halves) {
  DIME_CHECK(precision != Precision::kFloat32 && values.size() == halves.size());
  const cpu::KernelTable& kernels = cpu::Kernels();
  const auto convert = precision == Precision::kBfloat16 ? kernels.to_bfloat16 : kernels.to_float16;
  convert(values.data(), std::ssize(values), halves.data());
}

void FromHalves(Precision precision, std::span<const std::uint16_t> halves,
                std::span<float> values) {
  DIME_CHECK(precision != Precision::kFloat32 && values.size() == halves.size());
  const cpu::KernelTable& kernels = cpu::Kernels();
  const auto convert =
      precision == Precision::kBfloat16 ? kernels.from_bfloat16 : kernels.from_float16;
  convert(halves.data(), std::ssize(halves), values.data());
}

}  // namespace dime::ops
