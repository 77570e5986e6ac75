#include "ps/snapshot.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <variant>

#include "ops/optimizer.h"

namespace dime::ps {
namespace {

using checkpoint::BundleReader;
using checkpoint::BundleWriter;
using checkpoint::DataType;
using checkpoint::TensorInfo;

constexpr std::string_view kGlobalStep = "global_step";
constexpr std::int64_t kBlockFloats = std::int64_t{1} << 16;

// What a variable of the bundle is: a table's weights (part 0) or its slot part - 1, a power of one
// of Adam's betas, or the global step.
struct TablePart {
  std::size_t table = 0;
  int part = 0;
};
struct BetaPower {
  float beta = 0;
};
struct GlobalStep {};
using Content = std::variant<TablePart, BetaPower, GlobalStep>;

struct Variable {
  TensorInfo info;
  Content content;
};

std::string VariableName(const ops::TableSpec& spec, int part) {
  if (part == 0) return spec.name;
  const auto slot = static_cast<std::size_t>(part - 1);
  return fmt::format("{}/{}{}", spec.name, spec.slot_prefix,
                     ops::SlotNames(spec.optimizer.kind)[slot]);
}

// All variables by name, which is the order in which they are written.
std::map<std::string, Variable, std::less<>> VariablesOf(std::span<const ops::TableSpec> specs,
                                                         SnapshotParts parts) {
  std::map<std::string, Variable, std::less<>> variables;
  variables[std::string(kGlobalStep)] = {{DataType::kInt64, {}}, GlobalStep{}};
  for (std::size_t t = 0; t < specs.size(); ++t) {
    const ops::TableSpec& spec = specs[t];
    const ops::OptimizerSpec& optimizer = spec.optimizer;
    const bool with_slots = parts == SnapshotParts::kWeightsAndSlots;
    const int num_parts = with_slots ? 1 + ops::NumSlots(optimizer.kind) : 1;
    for (int part = 0; part < num_parts; ++part) {
      variables[VariableName(spec, part)] = {{DataType::kFloat, spec.shape}, TablePart{t, part}};
    }
    if (!with_slots || optimizer.kind != ops::OptimizerKind::kAdam) continue;
    variables[spec.beta_power_names[0]] = {{DataType::kFloat, {}}, BetaPower{optimizer.beta1}};
    variables[spec.beta_power_names[1]] = {{DataType::kFloat, {}}, BetaPower{optimizer.beta2}};
  }
  return variables;
}

absl::Status WriteTablePart(RowAccess& rows, TablePart part, const std::string& name,
                            std::vector<float>& block, BundleWriter& writer) {
  const ops::TableSpec& spec = rows.specs()[part.table];
  DIME_RETURN_IF_ERROR(writer.BeginFloats(name, spec.shape));
  const std::int64_t rows_per_block = std::max<std::int64_t>(1, kBlockFloats / spec.dim);
  for (std::int64_t first = 0; first < spec.num_rows; first += rows_per_block) {
    const std::int64_t count = std::min(rows_per_block, spec.num_rows - first);
    block.resize(static_cast<std::size_t>(count * spec.dim));
    DIME_RETURN_IF_ERROR(rows.ReadRows(part.table, part.part, first, count, block));
    DIME_RETURN_IF_ERROR(writer.AppendFloats(block));
  }
  return writer.EndTensor();
}

std::string Describe(const TensorInfo& info) {
  return fmt::format("{} [{}]", checkpoint::DataTypeName(info.type), fmt::join(info.shape, ", "));
}

}  // namespace

absl::Status WriteSnapshot(RowAccess& rows, std::int64_t global_step, SnapshotParts parts,
                           BundleWriter& writer) {
  std::vector<float> block;
  for (const auto& [name, variable] : VariablesOf(rows.specs(), parts)) {
    if (const auto* const part = std::get_if<TablePart>(&variable.content)) {
      DIME_RETURN_IF_ERROR(WriteTablePart(rows, *part, name, block, writer));
    } else if (const auto* const power = std::get_if<BetaPower>(&variable.content)) {
      const auto value =
          static_cast<float>(std::pow(double{power->beta}, static_cast<double>(global_step + 1)));
      DIME_RETURN_IF_ERROR(writer.BeginFloats(name, {}));
      DIME_RETURN_IF_ERROR(writer.AppendFloats({&value, 1}));
      DIME_RETURN_IF_ERROR(writer.EndTensor());
    } else {
      DIME_RETURN_IF_ERROR(writer.AddInt64(name, global_step));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> ReadSnapshot(BundleReader& reader, SnapshotParts parts,
                                          RowAccess& rows) {
  std::vector<float> values;
  for (const auto& [name, variable] : VariablesOf(rows.specs(), parts)) {
    const auto* const part = std::get_if<TablePart>(&variable.content);
    if (part == nullptr) continue;
    const ops::TableSpec& spec = rows.specs()[part->table];
    const auto found = reader.tensors().find(name);
    if (found == reader.tensors().end() || found->second != variable.info) {
      return base::FailedPrecondition("{}: no variable '{}' of shape [{}]", reader.prefix(), name,
                                      fmt::join(spec.shape, ", "));
    }
    values.resize(static_cast<std::size_t>(spec.num_rows * spec.dim));
    DIME_RETURN_IF_ERROR(reader.ReadFloats(name, values));
    DIME_RETURN_IF_ERROR(rows.WriteRows(part->table, part->part, 0, spec.num_rows, values));
  }
  return reader.ReadInt64(kGlobalStep);
}

std::vector<std::string> DescribeMismatch(std::span<const ops::TableSpec> specs,
                                          SnapshotParts parts, const BundleReader& reader) {
  std::vector<std::string> lines;
  const auto expected = VariablesOf(specs, parts);
  for (const auto& [name, variable] : expected) {
    const TensorInfo& info = variable.info;
    const auto found = reader.tensors().find(name);
    if (found == reader.tensors().end()) {
      lines.push_back(fmt::format("{}: missing, should be {}", name, Describe(info)));
    } else if (found->second != info) {
      lines.push_back(
          fmt::format("{}: is {}, should be {}", name, Describe(found->second), Describe(info)));
    }
  }
  for (const auto& [name, info] : reader.tensors()) {
    if (!expected.contains(name)) {
      lines.push_back(fmt::format("{}: unknown to the model, is {}", name, Describe(info)));
    }
  }
  return lines;
}

}  // namespace dime::ps
