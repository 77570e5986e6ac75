#include "ps/unbounded_snapshot.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/optimizer.h"
#include "ps/internal/id_hash.h"
#include "ps/internal/variables.h"

namespace dime::ps {
namespace {

using checkpoint::BundleReader;
using checkpoint::BundleWriter;
using checkpoint::DataType;

constexpr int kNumShards = static_cast<int>(internal::kVirtualShards);

std::string ShardName(const ops::TableSpec& spec, int shard, std::string_view what) {
  return fmt::format("{}/shard_{:03}/{}", spec.name, shard, what);
}

std::int64_t RecordFloats(const ops::TableSpec& spec) {
  return spec.dim * (1 + ops::NumSlots(spec.optimizer.kind));
}

}  // namespace

absl::Status WriteShard(const ops::TableSpec& spec, int virtual_shard, const ShardRows& rows,
                        checkpoint::BundlePartWriter& writer) {
  const auto name = [&](std::string_view what) { return ShardName(spec, virtual_shard, what); };
  const std::int64_t count = std::ssize(rows.ids);
  const std::int64_t shape[] = {count, RecordFloats(spec)};
  DIME_RETURN_IF_ERROR(writer.AddInt64s(name("ids"), rows.ids));
  DIME_RETURN_IF_ERROR(writer.AddInt64s(name("last_updates"), rows.last_updates));
  DIME_RETURN_IF_ERROR(writer.AddInt64s(name("sightings"), rows.sightings));
  DIME_RETURN_IF_ERROR(writer.BeginRows(name("records"), shape, 0, count));
  DIME_RETURN_IF_ERROR(writer.AppendFloats(rows.records));
  return writer.EndRows();
}

absl::Status ReadShards(BundleReader& reader, UnboundedTable& table) {
  const ops::TableSpec& spec = table.spec();
  DIME_ASSIGN_OR_RETURN(const std::int64_t step, reader.ReadInt64(internal::kGlobalStep));
  for (const int s : table.virtual_shards()) {
    ShardRows shard = {.step = step};
    DIME_ASSIGN_OR_RETURN(shard.ids, reader.ReadInt64s(ShardName(spec, s, "ids")));
    DIME_ASSIGN_OR_RETURN(shard.last_updates,
                          reader.ReadInt64s(ShardName(spec, s, "last_updates")));
    DIME_ASSIGN_OR_RETURN(shard.sightings, reader.ReadInt64s(ShardName(spec, s, "sightings")));
    shard.records.resize(shard.ids.size() * table.record_floats());
    DIME_RETURN_IF_ERROR(reader.ReadFloats(ShardName(spec, s, "records"), shard.records));
    DIME_RETURN_IF_ERROR(CheckShard(spec, s, shard));
    table.Import(s, shard);
  }
  return absl::OkStatus();
}

absl::Status WriteExportedRows(RowAccess& rows, std::size_t table, BundleWriter& writer) {
  const ops::TableSpec& spec = rows.specs()[table];
  struct Row {
    std::int64_t id;
    std::size_t at;  // In `weights`, in rows.
  };
  const auto dim = static_cast<std::size_t>(spec.dim);
  const auto record_floats = static_cast<std::size_t>(RecordFloats(spec));
  const std::int64_t most_age = spec.unbounded->evict_after_steps;
  std::vector<Row> order;
  std::vector<float> weights;
  for (int s = 0; s < kNumShards; ++s) {
    DIME_ASSIGN_OR_RETURN(const ShardRows shard, rows.ReadShard(table, s));
    for (std::size_t i = 0; i < shard.ids.size(); ++i) {
      if (most_age > 0 && shard.step - shard.last_updates[i] > most_age) continue;
      order.push_back({shard.ids[i], order.size()});
      const float* const record = shard.records.data() + i * record_floats;
      weights.insert(weights.end(), record, record + dim);
    }
  }
  std::ranges::sort(order, {}, &Row::id);
  std::vector<std::int64_t> ids;
  for (const Row& row : order) ids.push_back(row.id);
  ids.push_back(ops::UnboundedRows::kNumIds);
  DIME_RETURN_IF_ERROR(writer.AddInt64s(spec.name + "/ids", ids));

  const std::int64_t shape[] = {std::ssize(ids), spec.dim};
  DIME_RETURN_IF_ERROR(writer.BeginFloats(spec.name, shape));
  for (const Row& row : order) {
    DIME_RETURN_IF_ERROR(writer.AppendFloats({weights.data() + row.at * dim, dim}));
  }
  DIME_RETURN_IF_ERROR(writer.AppendFloats(std::vector<float>(dim, 0.0f)));
  return writer.EndTensor();
}

std::vector<std::string> DescribeMissingShards(const ops::TableSpec& spec,
                                               const BundleReader& reader) {
  std::vector<std::string> lines;
  for (int s = 0; s < kNumShards; ++s) {
    for (const std::string_view what : {"ids", "last_updates", "sightings", "records"}) {
      const std::string name = ShardName(spec, s, what);
      const auto found = reader.tensors().find(name);
      if (found == reader.tensors().end()) {
        lines.push_back(
            fmt::format("{}: missing, a part of the unbounded table '{}'", name, spec.name));
        return lines;  // The others are missing, too, and would be no news.
      }
      const bool is_records = what == "records";
      const checkpoint::TensorInfo& info = found->second;
      const bool fits = is_records ? info.type == DataType::kFloat && info.shape.size() == 2 &&
                                         info.shape[1] == RecordFloats(spec)
                                   : info.type == DataType::kInt64 && info.shape.size() == 1;
      if (fits) continue;
      lines.push_back(fmt::format("{}: is of another type or shape than {}", name,
                                  is_records ? fmt::format("float [rows, {}]", RecordFloats(spec))
                                             : std::string("int64 [n]")));
      return lines;
    }
  }
  return lines;
}

bool IsOfShards(const ops::TableSpec& spec, std::string_view tensor) {
  return spec.unbounded && tensor.starts_with(spec.name) &&
         tensor.substr(spec.name.size()).starts_with("/shard_");
}

}  // namespace dime::ps
