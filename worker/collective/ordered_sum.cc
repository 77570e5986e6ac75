#include "worker/collective/ordered_sum.h"

#include <algorithm>

#include "ops/dense.h"
#include "runtime/base/check.h"

namespace dime::worker {
namespace {

constexpr std::size_t kSliceFloats = 16;  // Slices end on cache lines.

}  // namespace

OrderedSum::OrderedSum(Collective& collective, std::int64_t num_values, int micro_batches,
                       bool average)
    : collective_(collective),
      num_values_(static_cast<std::size_t>(num_values)),
      micro_batches_(micro_batches),
      average_(average),
      sums_(num_values_),
      sources_(static_cast<std::size_t>(micro_batches)),
      outgoing_(static_cast<std::size_t>(collective.size())),
      incoming_(static_cast<std::size_t>(collective.size())) {
  DIME_CHECK(micro_batches > 0);
  const int rank = collective.rank();
  added_.resize(static_cast<std::size_t>(CountOf(rank)) * num_values_);
  received_.resize(static_cast<std::size_t>(micro_batches - CountOf(rank)) * Width(rank));
}

int OrderedSum::CountOf(int rank) const {
  const int size = collective_.size();
  return (micro_batches_ - rank + size - 1) / size;
}

std::size_t OrderedSum::Begin(int rank) const {
  const auto size = static_cast<std::size_t>(collective_.size());
  const std::size_t width = (num_values_ + size - 1) / size;
  const std::size_t whole_lines = (width + kSliceFloats - 1) / kSliceFloats * kSliceFloats;
  return std::min(num_values_, static_cast<std::size_t>(rank) * whole_lines);
}

void OrderedSum::Add(std::span<const std::span<const float>> parts) {
  DIME_CHECK(!is_complete());
  const auto own_count = static_cast<std::size_t>(CountOf(collective_.rank()));
  const auto own_index = static_cast<std::size_t>(num_added_++);
  std::size_t at = 0;
  int slice = 0;
  for (std::span<const float> part : parts) {
    while (!part.empty()) {
      while (at == Begin(slice + 1)) ++slice;
      const std::size_t begin = Begin(slice);
      const std::size_t count = std::min(part.size(), Begin(slice + 1) - at);
      float* const to = added_.data() + own_count * begin + own_index * Width(slice) + (at - begin);
      std::ranges::copy(part.first(count), to);
      part = part.subspan(count);
      at += count;
    }
  }
  DIME_CHECK(at == num_values_);
}

absl::StatusOr<std::span<const float>> OrderedSum::Finish() {
  DIME_CHECK(is_complete());
  num_added_ = 0;
  DIME_RETURN_IF_ERROR(ReduceScatter());
  SumOwnSlice();
  DIME_RETURN_IF_ERROR(AllGather());
  return sums_;
}

absl::Status OrderedSum::ReduceScatter() {
  const int own = collective_.rank();
  const int size = collective_.size();
  const auto own_count = static_cast<std::size_t>(CountOf(own));
  float* next = received_.data();
  for (int r = 0; r < size; ++r) {
    const auto at = static_cast<std::size_t>(r);
    const std::size_t count = static_cast<std::size_t>(CountOf(r)) * Width(own);
    outgoing_[at] = {added_.data() + own_count * Begin(r), own_count * Width(r)};
    const float* source = outgoing_[at].data();
    if (r != own) {
      incoming_[at] = {next, count};
      source = next;
      next += count;
    }
    for (int m = r; m < micro_batches_; m += size, source += Width(own)) {
      sources_[static_cast<std::size_t>(m)] = source;
    }
  }
  return size == 1 ? absl::OkStatus() : collective_.Exchange(outgoing_, incoming_);
}

// As ps::Shards does it, to the bit.
void OrderedSum::SumOwnSlice() {
  const std::size_t width = Width(collective_.rank());
  float* const sums = sums_.data() + Begin(collective_.rank());
  std::copy_n(sources_.front(), width, sums);
  for (const float* source : std::span(sources_).subspan(1)) {
    ops::AddTo(source, static_cast<std::int64_t>(width), sums);
  }
  if (!average_ || micro_batches_ == 1) return;
  const float share = 1.0f / static_cast<float>(micro_batches_);
  for (std::size_t i = 0; i < width; ++i) sums[i] *= share;
}

absl::Status OrderedSum::AllGather() {
  const int own = collective_.rank();
  const int size = collective_.size();
  if (size == 1) return absl::OkStatus();
  for (int r = 0; r < size; ++r) {
    const auto at = static_cast<std::size_t>(r);
    outgoing_[at] = std::span(sums_).subspan(Begin(own), Width(own));
    incoming_[at] = std::span(sums_).subspan(Begin(r), Width(r));
  }
  return collective_.Exchange(outgoing_, incoming_);
}

}  // namespace dime::worker
