#include "ps/internal/variables.h"

#include <cmath>

#include "ops/optimizer.h"

namespace dime::ps::internal {

using checkpoint::DataType;

float BetaPower::At(std::int64_t global_step) const {
  return static_cast<float>(std::pow(double{beta}, static_cast<double>(global_step + 1)));
}

int NumParts(const ops::TableSpec& spec, SnapshotParts parts) {
  return parts == SnapshotParts::kWeightsAndSlots ? 1 + ops::NumSlots(spec.optimizer.kind) : 1;
}

std::string VariableName(const ops::TableSpec& spec, int part) {
  if (part == 0) return spec.name;
  const auto slot = static_cast<std::size_t>(part - 1);
  return fmt::format("{}/{}{}", spec.name, spec.slot_prefix,
                     ops::SlotNames(spec.optimizer.kind)[slot]);
}

std::map<std::string, Variable, std::less<>> VariablesOf(std::span<const ops::TableSpec> specs,
                                                         SnapshotParts parts) {
  std::map<std::string, Variable, std::less<>> variables;
  variables[std::string(kGlobalStep)] = {{DataType::kInt64, {}}, GlobalStep{}};
  for (std::size_t t = 0; t < specs.size(); ++t) {
    const ops::TableSpec& spec = specs[t];
    if (spec.unbounded) continue;  // ps/unbounded_snapshot.h has these.
    const ops::OptimizerSpec& optimizer = spec.optimizer;
    for (int part = 0; part < NumParts(spec, parts); ++part) {
      variables[VariableName(spec, part)] = {{DataType::kFloat, spec.shape}, TablePart{t, part}};
    }
    if (parts == SnapshotParts::kWeights || optimizer.kind != ops::OptimizerKind::kAdam) continue;
    variables[spec.beta_power_names[0]] = {{DataType::kFloat, {}}, BetaPower{optimizer.beta1}};
    variables[spec.beta_power_names[1]] = {{DataType::kFloat, {}}, BetaPower{optimizer.beta2}};
  }
  return variables;
}

}  // namespace dime::ps::internal
