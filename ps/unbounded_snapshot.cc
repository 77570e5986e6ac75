#include "ps/unbounded_snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "ops/optimizer.h"
#include "ps/internal/id_hash.h"
#include "runtime/base/crc32c.h"

namespace dime::ps {
namespace {

using checkpoint::BundleReader;
using checkpoint::BundleWriter;
using checkpoint::DataType;

constexpr int kNumShards = static_cast<int>(internal::kVirtualShards);

constexpr std::string_view kBaseCrc = "/base_crc";
constexpr std::string_view kWholeTensors[] = {"ids", "last_updates", "sightings", "records"};
constexpr std::string_view kChangesTensors[] = {"erased", "sighting_sets", "base_crc"};

std::string TensorName(std::string_view shard_name, std::string_view what) {
  return fmt::format("{}/{}", shard_name, what);
}

// A shard's fingerprint, from the CRCs of its tensors in their order.
class Fingerprint {
 public:
  void Add(std::uint32_t crc) { crc_ = base::ExtendCrc32c(crc_, &crc, sizeof(crc)); }
  template <typename T>
  void AddCrcOf(const std::vector<T>& values) {
    Add(base::ExtendCrc32c(0, values.data(), values.size() * sizeof(T)));
  }
  [[nodiscard]] std::int64_t value() const { return crc_; }

 private:
  std::uint32_t crc_ = 0;
};

std::int64_t RecordFloats(const ops::TableSpec& spec) {
  return spec.dim * (1 + ops::NumSlots(spec.optimizer.kind));
}

}  // namespace

std::string ShardName(const ops::TableSpec& spec, int virtual_shard) {
  return fmt::format("{}/shard_{:03}", spec.name, virtual_shard);
}

absl::StatusOr<std::int64_t> WriteShard(const ops::TableSpec& spec, int virtual_shard,
                                        const SavedShard& shard, std::int64_t base,
                                        checkpoint::BundlePartWriter& writer) {
  const std::string shard_name = ShardName(spec, virtual_shard);
  Fingerprint fingerprint;
  const auto add = [&](std::string_view what, const std::vector<std::int64_t>& values) {
    fingerprint.AddCrcOf(values);
    return writer.AddInt64s(TensorName(shard_name, what), values);
  };
  const ShardRows& rows = shard.rows;
  const std::int64_t count = std::ssize(rows.ids);
  const std::int64_t shape[] = {count, RecordFloats(spec)};
  DIME_RETURN_IF_ERROR(add("ids", rows.ids));
  DIME_RETURN_IF_ERROR(add("last_updates", rows.last_updates));
  DIME_RETURN_IF_ERROR(add("sightings", rows.sightings));
  fingerprint.AddCrcOf(rows.records);
  DIME_RETURN_IF_ERROR(writer.BeginRows(TensorName(shard_name, "records"), shape, 0, count));
  DIME_RETURN_IF_ERROR(writer.AppendFloats(rows.records));
  DIME_RETURN_IF_ERROR(writer.EndRows());
  if (shard.is_whole) return fingerprint.value();
  DIME_RETURN_IF_ERROR(add("erased", shard.erased));
  DIME_RETURN_IF_ERROR(add("sighting_sets", shard.sighting_sets));
  fingerprint.AddCrcOf(std::vector{base});
  DIME_RETURN_IF_ERROR(writer.AddInt64(TensorName(shard_name, "base_crc"), base));
  return fingerprint.value();
}

absl::StatusOr<SavedShard> ReadSavedShard(BundleReader& reader, const ops::TableSpec& spec,
                                          int virtual_shard) {
  const std::string shard_name = ShardName(spec, virtual_shard);
  const auto read = [&](std::string_view what) {
    return reader.ReadInt64s(TensorName(shard_name, what));
  };
  SavedShard shard;
  ShardRows& rows = shard.rows;
  DIME_ASSIGN_OR_RETURN(rows.ids, read("ids"));
  DIME_ASSIGN_OR_RETURN(rows.last_updates, read("last_updates"));
  DIME_ASSIGN_OR_RETURN(rows.sightings, read("sightings"));
  rows.records.resize(rows.ids.size() * static_cast<std::size_t>(RecordFloats(spec)));
  DIME_RETURN_IF_ERROR(reader.ReadFloats(TensorName(shard_name, "records"), rows.records));
  shard.is_whole = !reader.tensors().contains(TensorName(shard_name, "base_crc"));
  if (shard.is_whole) return shard;
  DIME_ASSIGN_OR_RETURN(shard.erased, read("erased"));
  DIME_ASSIGN_OR_RETURN(shard.sighting_sets, read("sighting_sets"));
  return shard;
}

absl::StatusOr<std::int64_t> FingerprintOf(const BundleReader& reader,
                                           std::string_view shard_name) {
  Fingerprint fingerprint;
  const auto add = [&](std::string_view what) -> absl::Status {
    DIME_ASSIGN_OR_RETURN(const std::uint32_t crc, reader.Crc(TensorName(shard_name, what)));
    fingerprint.Add(crc);
    return absl::OkStatus();
  };
  for (const std::string_view what : kWholeTensors) DIME_RETURN_IF_ERROR(add(what));
  if (!reader.tensors().contains(TensorName(shard_name, "base_crc"))) return fingerprint.value();
  for (const std::string_view what : kChangesTensors) DIME_RETURN_IF_ERROR(add(what));
  return fingerprint.value();
}

absl::StatusOr<std::int64_t> ReadBaseFingerprint(BundleReader& reader,
                                                 std::string_view shard_name) {
  return reader.ReadInt64(TensorName(shard_name, "base_crc"));
}

std::vector<std::string> ShardsWithChangesAlone(const BundleReader& reader) {
  std::vector<std::string> names;
  for (const auto& [name, info] : reader.tensors()) {
    if (name.ends_with(kBaseCrc)) names.push_back(name.substr(0, name.size() - kBaseCrc.size()));
  }
  return names;
}

absl::Status ReadShards(CheckpointChain& chain, std::int64_t step, UnboundedTable& table) {
  for (const int s : table.virtual_shards()) {
    DIME_ASSIGN_OR_RETURN(const ShardRows shard, chain.ReadShard(table.spec(), s, step));
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
    const std::string shard_name = ShardName(spec, s);
    std::vector<std::string_view> expected(std::begin(kWholeTensors), std::end(kWholeTensors));
    if (reader.tensors().contains(TensorName(shard_name, "base_crc"))) {
      expected.insert(expected.end(), std::begin(kChangesTensors), std::end(kChangesTensors));
    }
    for (const std::string_view what : expected) {
      const std::string name = TensorName(shard_name, what);
      const auto found = reader.tensors().find(name);
      if (found == reader.tensors().end()) {
        lines.push_back(
            fmt::format("{}: missing, a part of the unbounded table '{}'", name, spec.name));
        return lines;  // The others are missing, too, and would be no news.
      }
      const bool is_records = what == "records";
      const std::size_t rank = is_records ? 2 : what == "base_crc" ? 0 : 1;
      const checkpoint::TensorInfo& info = found->second;
      const bool fits = info.type == (is_records ? DataType::kFloat : DataType::kInt64) &&
                        info.shape.size() == rank &&
                        (!is_records || info.shape[1] == RecordFloats(spec));
      if (fits) continue;
      lines.push_back(fmt::format("{}: is of another type or shape than {}", name,
                                  is_records  ? fmt::format("float [rows, {}]", RecordFloats(spec))
                                  : rank == 0 ? std::string("int64 []")
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
