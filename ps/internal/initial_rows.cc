#include "ps/internal/initial_rows.h"

#include "ops/optimizer.h"
#include "runtime/base/random_fill.h"

namespace dime::ps::internal {
std::vector<float> StartRecord(const ops::TableSpec& spec) {
  std::vector<float> record(static_cast<std::size_t>(spec.dim), 0.0f);
  for (int slot = 0; slot < ops::NumSlots(spec.optimizer.kind); ++slot) {
    record.insert(record.end(), static_cast<std::size_t>(spec.dim),
                  ops::InitialSlotValue(spec.optimizer, slot));
  }
  return record;
}

InitialWeights::InitialWeights(const ops::TableSpec& spec, std::uint64_t seed)
    : initializer_(spec.initializer), key_(base::RandomKey(seed, spec.name)) {}

void InitialWeights::Draw(std::int64_t row, std::span<float> weights) const {
  const auto index = static_cast<std::uint64_t>(row);
  switch (initializer_.kind) {
    case ops::InitializerKind::kZeros:
      return;
    case ops::InitializerKind::kUniform:
      base::FillUniform(key_, index, weights);
      for (float& weight : weights) weight = (2.0f * weight - 1.0f) * initializer_.scale;
      return;
    case ops::InitializerKind::kTruncatedNormal:
      base::FillTruncatedNormal(key_, index, weights);
      for (float& weight : weights) weight *= initializer_.scale;
      return;
  }
}

}  // namespace dime::ps::internal
