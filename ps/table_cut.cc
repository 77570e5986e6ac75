#include "ps/table_cut.h"

#include <algorithm>
#include <bit>

#include "runtime/base/check.h"

namespace dime::ps {
namespace {

// Small blocks: an owner that updates rows here and there copies what it did not need to. Large
// ones: more rows find their block copied already.
constexpr std::int64_t kCutBlockFloats = 256;
constexpr int kMaxRowBits = 6;  // A shard has 64 rows at least, so that blocks do not straddle any.
constexpr std::size_t kPrefetchCutRows = 16;

int RowBits(std::int64_t record_floats) {
  const std::int64_t rows = std::max<std::int64_t>(1, kCutBlockFloats / record_floats);
  return std::min(static_cast<int>(std::bit_width(static_cast<std::uint64_t>(rows))) - 1,
                  kMaxRowBits);
}

}  // namespace

TableCut::TableCut(const float* records, std::int64_t num_rows, std::int64_t dim,
                   std::int64_t record_floats)
    : num_rows_(num_rows),
      dim_(dim),
      record_floats_(record_floats),
      row_bits_(RowBits(record_floats)),
      memory_(records, static_cast<std::size_t>(num_rows * record_floats) * sizeof(float),
              (static_cast<std::size_t>(record_floats) << row_bits_) * sizeof(float)) {}

void TableCut::Preserve(std::span<const std::int64_t> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + kPrefetchCutRows < rows.size()) memory_.Prefetch(BlockOf(rows[i + kPrefetchCutRows]));
    memory_.PreserveBlock(BlockOf(rows[i]));
  }
}

void TableCut::PreserveRange(std::int64_t first, std::int64_t count) {
  if (count == 0) return;
  const std::size_t last_block = BlockOf(first + count - 1);
  for (std::size_t block = BlockOf(first); block <= last_block; ++block) {
    memory_.PreserveBlock(block);
  }
}

void TableCut::Read(int part, std::int64_t first, std::int64_t count, bool last, float* out) {
  DIME_CHECK(first >= 0 && count >= 0 && first + count <= num_rows_);
  const std::int64_t end = first + count;
  while (first < end) {
    const std::int64_t block_first = first >> row_bits_ << row_bits_;
    const std::int64_t block_end =
        std::min(block_first + (std::int64_t{1} << row_bits_), num_rows_);
    const std::int64_t num_rows = std::min(end, block_end) - first;
    const bool is_done = last && first + num_rows == block_end;
    memory_.Read(BlockOf(first), is_done, [&](const std::byte* block) {
      const float* row = reinterpret_cast<const float*>(block) +
                         (first - block_first) * record_floats_ + part * dim_;
      for (std::int64_t i = 0; i < num_rows; ++i, row += record_floats_, out += dim_) {
        if (dim_ == 1) {
          *out = *row;
        } else {
          std::copy_n(row, dim_, out);
        }
      }
    });
    first += num_rows;
  }
}

}  // namespace dime::ps
