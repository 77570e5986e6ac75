#include "ps/internal/initial_rows.h"

#include <algorithm>
#include <cmath>

#include "ops/optimizer.h"
#include "runtime/base/random.h"

namespace dime::ps::internal {
namespace {

float Draw(const ops::Initializer& initializer, base::RandomStream& random) {
  if (initializer.kind == ops::InitializerKind::kUniform) {
    return (2.0f * random.NextUniform() - 1.0f) * initializer.scale;
  }
  float normal = random.NextNormal();
  while (std::fabs(normal) > 2.0f) normal = random.NextNormal();
  return normal * initializer.scale;
}

}  // namespace

std::vector<float> StartRecord(const ops::TableSpec& spec) {
  std::vector<float> record(static_cast<std::size_t>(spec.dim), 0.0f);
  for (int slot = 0; slot < ops::NumSlots(spec.optimizer.kind); ++slot) {
    record.insert(record.end(), static_cast<std::size_t>(spec.dim),
                  ops::InitialSlotValue(spec.optimizer, slot));
  }
  return record;
}

void DrawWeights(const ops::TableSpec& spec, std::uint64_t seed, std::int64_t row, float* weights) {
  if (spec.initializer.kind == ops::InitializerKind::kZeros) return;
  base::RandomStream random(seed, spec.name, static_cast<std::uint64_t>(row));
  std::generate_n(weights, spec.dim, [&] { return Draw(spec.initializer, random); });
}

}  // namespace dime::ps::internal
