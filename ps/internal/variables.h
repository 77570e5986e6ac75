// ps/internal/variables.h - which variables of a checkpoint bundle tables are, under TensorFlow's
// names.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>

#include "ops/table.h"
#include "ps/snapshot.h"
#include "runtime/checkpoint/bundle.h"

namespace dime::ps::internal {

// What a variable of the bundle is: a table's weights (part 0) or its slot part - 1, a power of one
// of Adam's betas, or the global step.
struct TablePart {
  std::size_t table = 0;
  int part = 0;
};
struct BetaPower {
  float beta = 0;

  [[nodiscard]] float At(std::int64_t global_step) const;
};
struct GlobalStep {};
using Content = std::variant<TablePart, BetaPower, GlobalStep>;

struct Variable {
  checkpoint::TensorInfo info;
  Content content;
};

inline constexpr std::string_view kGlobalStep = "global_step";

// The weights, and each slot.
[[nodiscard]] int NumParts(const ops::TableSpec& spec, SnapshotParts parts);
[[nodiscard]] std::string VariableName(const ops::TableSpec& spec, int part);

// All variables by name, which is the order in which they are written.
[[nodiscard]] std::map<std::string, Variable, std::less<>> VariablesOf(
    std::span<const ops::TableSpec> specs, SnapshotParts parts);

}  // namespace dime::ps::internal
