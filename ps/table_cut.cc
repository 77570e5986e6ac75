#include "ps/table_cut.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>

#include "runtime/base/check.h"
#include "runtime/base/spin.h"

namespace dime::ps {
namespace {

// Small blocks: an owner that updates rows here and there copies what it did not need to. Large
// ones: more rows find their block copied already.
constexpr std::int64_t kBlockFloats = 256;
constexpr int kMaxRowBits = 6;  // A shard has 64 rows at least, so that blocks do not straddle any.
constexpr std::size_t kPrefetchRows = 16;
constexpr std::chrono::microseconds kHoldTime{100};

int RowBits(std::int64_t record_floats) {
  const std::int64_t rows = std::max<std::int64_t>(1, kBlockFloats / record_floats);
  return std::min(static_cast<int>(std::bit_width(static_cast<std::uint64_t>(rows))) - 1,
                  kMaxRowBits);
}

}  // namespace

TableCut::TableCut(const float* records, std::int64_t num_rows, std::int64_t dim,
                   std::int64_t record_floats)
    : records_(records),
      num_rows_(num_rows),
      dim_(dim),
      record_floats_(record_floats),
      row_bits_(RowBits(record_floats)),
      num_blocks_((num_rows + (std::int64_t{1} << row_bits_) - 1) >> row_bits_),
      states_(new std::atomic<State>[static_cast<std::size_t>(num_blocks_)]()),
      copies_(new std::unique_ptr<float[]>[static_cast<std::size_t>(num_blocks_)]()) {}

std::int64_t TableCut::NumRows(std::int64_t block) const {
  return std::min(std::int64_t{1} << row_bits_, num_rows_ - FirstRow(block));
}

void TableCut::Preserve(std::span<const std::int64_t> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + kPrefetchRows < rows.size()) {
      __builtin_prefetch(&states_[static_cast<std::size_t>(rows[i + kPrefetchRows] >> row_bits_)]);
    }
    PreserveBlock(rows[i] >> row_bits_);
  }
}

void TableCut::PreserveRange(std::int64_t first, std::int64_t count) {
  if (count == 0) return;
  const std::int64_t last_block = (first + count - 1) >> row_bits_;
  for (std::int64_t block = first >> row_bits_; block <= last_block; ++block) PreserveBlock(block);
}

void TableCut::PreserveBlock(std::int64_t block) {
  if (!Hold(block)) return;
  const auto size = static_cast<std::size_t>(NumRows(block) * record_floats_);
  std::unique_ptr<float[]> copy(new float[size]);
  std::memcpy(copy.get(), records_ + FirstRow(block) * record_floats_, size * sizeof(float));
  copies_[static_cast<std::size_t>(block)] = std::move(copy);
  const std::size_t held =
      held_bytes_.fetch_add(size * sizeof(float), std::memory_order_relaxed) + size * sizeof(float);
  peak_bytes_ = std::max(peak_bytes_, held);
  Release(block, State::kAside);
}

bool TableCut::Hold(std::int64_t block) {
  std::atomic<State>& state = states_[static_cast<std::size_t>(block)];
  while (true) {
    State now = state.load(std::memory_order_acquire);
    if (now == State::kAside || now == State::kDone) return false;
    if (now == State::kLive &&
        state.compare_exchange_strong(now, State::kHeld, std::memory_order_acquire)) {
      return true;
    }
    // The other side is copying some KiB, unless it lost its processor meanwhile.
    base::SpinUntil([&] { return state.load(std::memory_order_relaxed) != State::kHeld; },
                    kHoldTime);
  }
}

void TableCut::Release(std::int64_t block, State state) {
  states_[static_cast<std::size_t>(block)].store(state, std::memory_order_release);
}

void TableCut::Read(int part, std::int64_t first, std::int64_t count, bool last, float* out) {
  DIME_CHECK(first >= 0 && count >= 0 && first + count <= num_rows_);
  const std::int64_t end = first + count;
  while (first < end) {
    const std::int64_t block = first >> row_bits_;
    const std::int64_t block_end = FirstRow(block) + NumRows(block);
    const std::int64_t num_rows = std::min(end, block_end) - first;
    const bool is_done = last && first + num_rows == block_end;
    std::unique_ptr<float[]>& copy = copies_[static_cast<std::size_t>(block)];
    const bool is_live = Hold(block);
    const float* const block_records =
        is_live ? records_ + FirstRow(block) * record_floats_ : copy.get();
    const float* row = block_records + (first - FirstRow(block)) * record_floats_ + part * dim_;
    for (std::int64_t i = 0; i < num_rows; ++i, row += record_floats_, out += dim_) {
      if (dim_ == 1) {
        *out = *row;
      } else {
        std::copy_n(row, dim_, out);
      }
    }
    if (is_live) Release(block, is_done ? State::kDone : State::kLive);
    if (!is_live && is_done) {
      copy.reset();
      held_bytes_.fetch_sub(
          static_cast<std::size_t>(NumRows(block) * record_floats_) * sizeof(float),
          std::memory_order_relaxed);
      Release(block, State::kDone);
    }
    first += num_rows;
  }
}

}  // namespace dime::ps
