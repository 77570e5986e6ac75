#include "ps/snapshot.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "ps/checkpoint_chain.h"
#include "ps/internal/variables.h"
#include "ps/unbounded_snapshot.h"

namespace dime::ps {
namespace {

using checkpoint::BundleReader;
using checkpoint::BundleWriter;
using checkpoint::TensorInfo;
using internal::BetaPower;
using internal::TablePart;
using internal::VariablesOf;

constexpr std::int64_t kBlockFloats = std::int64_t{1} << 16;

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

// Whether the rows of the variable are the table's; those of a dense one are its one row's pieces.
bool RowsAreRows(const ops::TableSpec& spec) {
  return !spec.shape.empty() && spec.shape.front() == spec.num_rows;
}

absl::Status ReadTablePart(BundleReader& reader, const std::string& name, int part, Table& table) {
  const ops::TableSpec& spec = table.spec();
  if (!RowsAreRows(spec)) {
    if (table.num_rows() == 0) return absl::OkStatus();
    std::vector<float> values(static_cast<std::size_t>(spec.num_rows * spec.dim));
    DIME_RETURN_IF_ERROR(reader.ReadFloats(name, values));
    table.CopyIn(part, 0, spec.num_rows, values.data());
    return absl::OkStatus();
  }
  std::vector<checkpoint::RowRange> ranges;
  for (const RowBlock& block : table.blocks()) ranges.push_back({block.first, block.count});
  std::int64_t row = 0;
  return reader.ReadRows(name, ranges, [&](std::int64_t, std::span<const float> values) {
    const std::int64_t count = std::ssize(values) / spec.dim;
    table.CopyIn(part, row, count, values.data());
    row += count;
    return absl::OkStatus();
  });
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
      const float value = power->At(global_step);
      DIME_RETURN_IF_ERROR(writer.BeginFloats(name, {}));
      DIME_RETURN_IF_ERROR(writer.AppendFloats({&value, 1}));
      DIME_RETURN_IF_ERROR(writer.EndTensor());
    } else {
      DIME_RETURN_IF_ERROR(writer.AddInt64(name, global_step));
    }
  }
  for (std::size_t t = 0; t < rows.specs().size(); ++t) {
    if (!rows.specs()[t].unbounded || parts != SnapshotParts::kWeights) continue;
    DIME_RETURN_IF_ERROR(WriteExportedRows(rows, t, writer));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> ReadSnapshot(BundleReader& reader, SnapshotParts parts,
                                          std::span<Table* const> tables,
                                          std::span<UnboundedTable* const> unbounded) {
  std::vector<ops::TableSpec> specs;
  for (const Table* const table : tables) specs.push_back(table->spec());
  for (const auto& [name, variable] : VariablesOf(specs, parts)) {
    const auto* const part = std::get_if<TablePart>(&variable.content);
    if (part == nullptr) continue;
    const auto found = reader.tensors().find(name);
    if (found == reader.tensors().end() || found->second != variable.info) {
      return base::FailedPrecondition("{}: no variable '{}' of shape [{}]", reader.prefix(), name,
                                      fmt::join(variable.info.shape, ", "));
    }
    DIME_RETURN_IF_ERROR(ReadTablePart(reader, name, part->part, *tables[part->table]));
  }
  DIME_ASSIGN_OR_RETURN(const std::int64_t step, reader.ReadInt64(internal::kGlobalStep));
  CheckpointChain chain(reader);
  for (UnboundedTable* const table : unbounded) {
    if (table != nullptr) DIME_RETURN_IF_ERROR(ReadShards(chain, step, *table));
  }
  return step;
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
  for (const ops::TableSpec& spec : specs) {
    if (!spec.unbounded) continue;
    for (std::string& line : DescribeMissingShards(spec, reader)) lines.push_back(std::move(line));
  }
  const auto is_of_shards = [specs](const std::string& name) {
    return std::ranges::any_of(specs,
                               [&](const ops::TableSpec& spec) { return IsOfShards(spec, name); });
  };
  const auto is_base_step = [specs](const std::string& name) {
    return name == kBaseStep && std::ranges::any_of(specs, [](const ops::TableSpec& spec) {
             return spec.unbounded.has_value();
           });
  };
  for (const auto& [name, info] : reader.tensors()) {
    if (!is_of_shards(name) && !expected.contains(name) && !is_base_step(name)) {
      lines.push_back(fmt::format("{}: unknown to the model, is {}", name, Describe(info)));
    }
  }
  return lines;
}

}  // namespace dime::ps
