#include "ps/snapshot.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

#include "ops/optimizer.h"
#include "runtime/base/check.h"

namespace dime::ps {
namespace {

using checkpoint::BundleReader;
using checkpoint::BundleWriter;
using checkpoint::DataType;
using checkpoint::TensorInfo;

constexpr std::string_view kGlobalStep = "global_step";
constexpr std::int64_t kBlockFloats = std::int64_t{1} << 16;

// One variable of the bundle: a table's weights (part 0) or its slot part - 1.
struct Variable {
  std::size_t table = 0;
  int part = 0;
};

int NumParts(const ops::TableSpec& spec, SnapshotParts parts) {
  return parts == SnapshotParts::kWeights ? 1 : 1 + ops::NumSlots(spec.optimizer.kind);
}

std::string VariableName(const ops::TableSpec& spec, int part) {
  if (part == 0) return spec.name;
  const auto slot = static_cast<std::size_t>(part - 1);
  return fmt::format("{}/{}", spec.name, ops::SlotNames(spec.optimizer.kind)[slot]);
}

// All variables by name, which is the order in which they are written.
template <typename Tables>
std::map<std::string, Variable> VariablesOf(const Tables& tables, SnapshotParts parts) {
  std::map<std::string, Variable> variables;
  for (std::size_t t = 0; t < tables.size(); ++t) {
    for (int part = 0; part < NumParts(tables[t]->spec(), parts); ++part) {
      variables.emplace(VariableName(tables[t]->spec(), part), Variable{t, part});
    }
  }
  return variables;
}

absl::Status WriteVariable(const Table& table, int part, const std::string& name,
                           std::vector<float>& block, BundleWriter& writer) {
  const ops::TableSpec& spec = table.spec();
  DIME_RETURN_IF_ERROR(writer.BeginFloats(name, spec.shape));
  const std::int64_t rows_per_block = kBlockFloats / spec.dim;
  if (rows_per_block < 2) {  // Long rows go out as they lie.
    for (std::int64_t row = 0; row < spec.num_rows; ++row) {
      DIME_RETURN_IF_ERROR(
          writer.AppendFloats(part == 0 ? table.weights(row) : table.slot(row, part - 1)));
    }
    return writer.EndTensor();
  }
  for (std::int64_t first = 0; first < spec.num_rows; first += rows_per_block) {
    const std::int64_t count = std::min(rows_per_block, spec.num_rows - first);
    table.CopyOut(part, first, count, block.data());
    DIME_RETURN_IF_ERROR(
        writer.AppendFloats({block.data(), static_cast<std::size_t>(count * spec.dim)}));
  }
  return writer.EndTensor();
}

std::string Describe(const TensorInfo& info) {
  return fmt::format("{} [{}]", checkpoint::DataTypeName(info.type), fmt::join(info.shape, ", "));
}

std::map<std::string, TensorInfo, std::less<>> ExpectedTensors(
    std::span<const ops::TableSpec> specs, SnapshotParts parts) {
  std::map<std::string, TensorInfo, std::less<>> expected;
  for (const ops::TableSpec& spec : specs) {
    for (int part = 0; part < NumParts(spec, parts); ++part) {
      expected[VariableName(spec, part)] = {DataType::kFloat, spec.shape};
    }
  }
  expected[std::string(kGlobalStep)] = {DataType::kInt64, {}};
  return expected;
}

}  // namespace

absl::Status WriteSnapshot(std::span<const Table* const> tables, std::int64_t global_step,
                           SnapshotParts parts, BundleWriter& writer) {
  std::map<std::string, Variable> variables = VariablesOf(tables, parts);
  const auto after_step = variables.lower_bound(std::string(kGlobalStep));
  std::vector<float> block(kBlockFloats);
  const auto write = [&](auto first, auto last) -> absl::Status {
    for (; first != last; ++first) {
      const auto& [name, variable] = *first;
      DIME_RETURN_IF_ERROR(
          WriteVariable(*tables[variable.table], variable.part, name, block, writer));
    }
    return absl::OkStatus();
  };
  DIME_RETURN_IF_ERROR(write(variables.begin(), after_step));
  DIME_RETURN_IF_ERROR(writer.AddInt64(std::string(kGlobalStep), global_step));
  return write(after_step, variables.end());
}

absl::StatusOr<std::int64_t> ReadSnapshot(BundleReader& reader, SnapshotParts parts,
                                          std::span<Table* const> tables) {
  std::vector<float> values;
  for (const auto& [name, variable] : VariablesOf(tables, parts)) {
    Table& table = *tables[variable.table];
    const ops::TableSpec& spec = table.spec();
    const auto found = reader.tensors().find(name);
    if (found == reader.tensors().end() ||
        found->second != TensorInfo{DataType::kFloat, spec.shape}) {
      return base::FailedPrecondition("{}: no variable '{}' of shape [{}]", reader.prefix(), name,
                                      fmt::join(spec.shape, ", "));
    }
    values.resize(static_cast<std::size_t>(spec.num_rows * spec.dim));
    DIME_RETURN_IF_ERROR(reader.ReadFloats(name, values));
    table.CopyIn(variable.part, 0, spec.num_rows, values.data());
  }
  return reader.ReadInt64(kGlobalStep);
}

std::vector<std::string> DescribeMismatch(std::span<const ops::TableSpec> specs,
                                          SnapshotParts parts, const BundleReader& reader) {
  std::vector<std::string> lines;
  const auto expected = ExpectedTensors(specs, parts);
  for (const auto& [name, info] : expected) {
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
