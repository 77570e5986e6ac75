#include "ps/table.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "ops/optimizer.h"
#include "ps/internal/initial_rows.h"
#include "ps/internal/memory.h"
#include "runtime/base/check.h"

namespace dime::ps {
namespace {

// Equal records are copied in blocks that stay in the first-level cache.
constexpr std::int64_t kFillBlockFloats = 4096;
constexpr std::size_t kPrefetchRows = 32;

std::int64_t NumRows(std::span<const RowBlock> blocks) {
  std::int64_t num_rows = 0;
  for (const RowBlock& block : blocks) num_rows += block.count;
  return num_rows;
}

// The size of the table's memory: whole pages.
absl::StatusOr<std::size_t> SizeInMemory(const ops::TableSpec& spec, std::int64_t num_rows) {
  DIME_CHECK(num_rows >= 0 && spec.dim > 0);
  const auto page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const auto floats_per_weight = static_cast<std::size_t>(1 + ops::NumSlots(spec.optimizer.kind));
  std::size_t size_bytes = 0;
  const bool fits =
      !__builtin_mul_overflow(static_cast<std::size_t>(num_rows),
                              static_cast<std::size_t>(spec.dim), &size_bytes) &&
      !__builtin_mul_overflow(size_bytes, floats_per_weight * sizeof(float), &size_bytes) &&
      size_bytes <= internal::PhysicalMemoryBytes() - internal::kHugePageBytes;
  if (!fits) {
    return base::ResourceExhausted(
        "table '{}' does not fit into memory: {} rows of {} weights, {} floats for each; this "
        "machine has {} MiB",
        spec.name, num_rows, spec.dim, floats_per_weight, internal::PhysicalMemoryBytes() >> 20);
  }
  return (size_bytes + page_bytes - 1) / page_bytes * page_bytes;
}

void FillWithCopies(const std::vector<float>& record, std::int64_t num_rows, float* records) {
  const auto record_floats = static_cast<std::int64_t>(record.size());
  std::vector<float> block = record;
  while (static_cast<std::int64_t>(block.size()) < kFillBlockFloats) {
    block.insert(block.end(), record.begin(), record.end());
  }
  const auto block_floats = static_cast<std::int64_t>(block.size());
  const std::int64_t total_floats = num_rows * record_floats;
  for (std::int64_t at = 0; at < total_floats; at += block_floats) {
    std::copy_n(block.data(), std::min(block_floats, total_floats - at), records + at);
  }
}

void Fill(const ops::TableSpec& spec, std::span<const RowBlock> blocks, std::uint64_t seed,
          float* records) {
  const std::vector<float> start = internal::StartRecord(spec);
  const bool all_zero = std::all_of(start.begin(), start.end(), [](float x) { return x == 0.0f; });
  if (!all_zero) FillWithCopies(start, NumRows(blocks), records);
  if (spec.initializer.kind == ops::InitializerKind::kZeros) return;
  const internal::InitialWeights initial(spec, seed);
  float* weights = records;
  for (const RowBlock& block : blocks) {
    for (std::int64_t row = block.first; row < block.first + block.count; ++row) {
      initial.Draw(row, {weights, static_cast<std::size_t>(spec.dim)});
      weights += start.size();
    }
  }
}

// `kDim` is the table's, or 0: a call of memcpy() for each short row costs as much as fetching it.
template <std::int64_t kDim>
void GatherRows(const float* records, std::int64_t record_floats, std::int64_t dim,
                std::span<const std::int64_t> ids, float* out) {
  const std::int64_t row_floats = kDim > 0 ? kDim : dim;
  for (std::size_t i = 0; i < ids.size(); ++i, out += row_floats) {
    if (i + kPrefetchRows < ids.size()) {
      __builtin_prefetch(records + ids[i + kPrefetchRows] * record_floats);
    }
    std::memcpy(out, records + ids[i] * record_floats,
                static_cast<std::size_t>(row_floats) * sizeof(float));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Table>> Table::Create(const ops::TableSpec& spec,
                                                     std::uint64_t seed) {
  return CreatePart(spec, {{0, spec.num_rows}}, seed);
}

absl::StatusOr<std::unique_ptr<Table>> Table::CreatePart(const ops::TableSpec& spec,
                                                         std::vector<RowBlock> blocks,
                                                         std::uint64_t seed) {
  DIME_ASSIGN_OR_RETURN(const std::size_t size_bytes, SizeInMemory(spec, NumRows(blocks)));
  void* records = nullptr;
  if (size_bytes > 0) {
    records = internal::MapMemory(size_bytes);
    if (records == nullptr) {
      return base::ResourceExhausted("table '{}': the system has no {} MiB of memory for it",
                                     spec.name, (size_bytes >> 20) + 1);
    }
  }
  return std::unique_ptr<Table>(
      new Table(spec, std::move(blocks), seed, static_cast<float*>(records), size_bytes));
}

Table::Table(const ops::TableSpec& spec, std::vector<RowBlock> blocks, std::uint64_t seed,
             float* records, std::size_t size_bytes)
    : spec_(spec),
      blocks_(std::move(blocks)),
      num_rows_(NumRows(blocks_)),
      record_floats_(spec.dim * (1 + ops::NumSlots(spec.optimizer.kind))),
      records_(records),
      size_bytes_(size_bytes) {
  Fill(spec_, blocks_, seed, records_);
}

Table::~Table() {
  if (records_ != nullptr) internal::UnmapMemory(records_, size_bytes_);
}

std::int64_t Table::IdOf(std::int64_t row) const {
  for (const RowBlock& block : blocks_) {
    if (row < block.count) return block.first + row;
    row -= block.count;
  }
  DIME_CHECK(false);
}

std::span<const float> Table::weights(std::int64_t id) const {
  return {records_ + id * record_floats_, static_cast<std::size_t>(spec_.dim)};
}

std::span<const float> Table::slot(std::int64_t id, int slot) const {
  return {records_ + id * record_floats_ + (1 + slot) * spec_.dim,
          static_cast<std::size_t>(spec_.dim)};
}

bool Table::HasIds(std::span<const std::int64_t> ids) const {
  return std::ranges::all_of(ids, [&](std::int64_t id) { return id >= 0 && id < num_rows_; });
}

void Table::Gather(std::span<const std::int64_t> ids, std::span<float> out) const {
  DIME_CHECK(out.size() == ids.size() * static_cast<std::size_t>(spec_.dim));
  switch (spec_.dim) {
    case 1:
      return GatherRows<1>(records_, record_floats_, spec_.dim, ids, out.data());
    case 8:
      return GatherRows<8>(records_, record_floats_, spec_.dim, ids, out.data());
    case 16:
      return GatherRows<16>(records_, record_floats_, spec_.dim, ids, out.data());
    default:
      return GatherRows<0>(records_, record_floats_, spec_.dim, ids, out.data());
  }
}

void Table::Update(std::int64_t step, std::span<const std::int64_t> ids,
                   std::span<const float> gradients) {
  DIME_CHECK(gradients.size() == ids.size() * static_cast<std::size_t>(spec_.dim));
  if (cut_ != nullptr) [[unlikely]] {
    if (ops::MovesAllRows(spec_.optimizer.kind)) {
      cut_->PreserveRange(0, num_rows_);
    } else {
      cut_->Preserve(ids);
    }
  }
  ops::UpdateRows(spec_.optimizer, step, spec_.dim, num_rows_, records_, ids, gradients.data());
}

void Table::UpdateAll(std::int64_t step, std::span<const float> gradients) {
  DIME_CHECK(gradients.size() == static_cast<std::size_t>(num_rows_ * spec_.dim));
  if (cut_ != nullptr) [[unlikely]]
    cut_->PreserveRange(0, num_rows_);
  for (std::int64_t row = 0; row < num_rows_; ++row) {
    ops::UpdateRow(spec_.optimizer, step, spec_.dim, records_ + row * record_floats_,
                   gradients.data() + row * spec_.dim);
  }
}

TableCut& Table::BeginCut() {
  DIME_CHECK(cut_ == nullptr);
  cut_ = std::make_unique<TableCut>(records_, num_rows_, spec_.dim, record_floats_);
  return *cut_;
}

void Table::CopyOut(int part, std::int64_t first, std::int64_t count, float* out) const {
  DIME_CHECK(first >= 0 && count >= 0 && first + count <= num_rows_);
  if (count == 0) return;  // Of a table without rows, which has no memory.
  const float* row = records_ + first * record_floats_ + part * spec_.dim;
  if (spec_.dim == 1) {  // Of these there are most, and a call for each costs more than the copy.
    for (std::int64_t i = 0; i < count; ++i, row += record_floats_) out[i] = *row;
    return;
  }
  for (std::int64_t i = 0; i < count; ++i, row += record_floats_, out += spec_.dim) {
    std::copy_n(row, spec_.dim, out);
  }
}

void Table::CopyIn(int part, std::int64_t first, std::int64_t count, const float* in) {
  DIME_CHECK(first >= 0 && count >= 0 && first + count <= num_rows_);
  if (count == 0) return;  // Of a table without rows, which has no memory.
  if (cut_ != nullptr) [[unlikely]]
    cut_->PreserveRange(first, count);
  float* row = records_ + first * record_floats_ + part * spec_.dim;
  if (spec_.dim == 1) {
    for (std::int64_t i = 0; i < count; ++i, row += record_floats_) *row = in[i];
    return;
  }
  for (std::int64_t i = 0; i < count; ++i, row += record_floats_, in += spec_.dim) {
    std::copy_n(in, spec_.dim, row);
  }
}

}  // namespace dime::ps
