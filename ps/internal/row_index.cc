#include "ps/internal/row_index.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace dime::ps::internal {
namespace {

constexpr int ShiftFor(int bits) { return 64 - kVirtualShardBits - bits; }

}  // namespace

RowIndex::RowIndex(Entry* entries, int most_bits) : entries_(entries), most_bits_(most_bits) {
  DIME_CHECK(most_bits >= kFewestBits && most_bits <= kMostBits);
  SetBits(kFewestBits);
}

void RowIndex::SetBits(int bits) {
  bits_ = bits;
  shift_ = ShiftFor(bits);
  end_ = EntriesFor(bits) - 1;
}

bool RowIndex::Insert(const Entry& entry) {
  if (size_ >= RowsFor(bits_)) Grow();
  do {
    if (InsertAt(LowerBound(entry.hash), entry)) return true;
  } while (Grow());
  return false;
}

bool RowIndex::InsertAt(std::size_t at, const Entry& entry) {
  std::size_t gap = at;
  while (entries_[gap].number != 0) ++gap;
  if (gap == end_) return false;
  BeforeChange(entries_ + at, gap + 1 - at);
  std::copy_backward(entries_ + at, entries_ + gap, entries_ + gap + 1);
  entries_[at] = entry;
  ++size_;
  return true;
}

void RowIndex::EraseAt(std::size_t at) {
  DIME_CHECK(entries_[at].number != 0);
  std::size_t last = at;  // Of those that stand behind their places, and move up.
  while (entries_[last + 1].number != 0 && Home(entries_[last + 1].hash) <= last) ++last;
  BeforeChange(entries_ + at, last + 1 - at);
  std::copy(entries_ + at + 1, entries_ + last + 1, entries_ + at);
  entries_[last] = {};
  --size_;
}

std::size_t RowIndex::Sample(std::uint64_t hash, std::span<const Entry*> entries) const {
  const std::size_t start = LowerBound(hash);
  const std::size_t most = std::min(entries.size(), size_);
  std::size_t count = 0;
  for (std::size_t at = start; count < most && at < end_; ++at) {
    if (entries_[at].number != 0) entries[count++] = entries_ + at;
  }
  for (std::size_t at = 0; count < most && at < start; ++at) {
    if (entries_[at].number != 0) entries[count++] = entries_ + at;
  }
  return count;
}

void RowIndex::Clear() {
  BeforeChange(entries_, EntriesFor(bits_));
  std::fill_n(entries_, EntriesFor(bits_), Entry{});
  size_ = 0;
}

bool RowIndex::Fits(int bits) const {
  std::size_t next = 0;
  for (std::size_t at = 0; at < end_; ++at) {
    if (entries_[at].number == 0) continue;
    next = std::max<std::size_t>(next, Rank(entries_[at].hash) >> ShiftFor(bits)) + 1;
  }
  return next < EntriesFor(bits);
}

// The entries go to the end of the larger index, and from there, in order, to their new places:
// each of these is free by then.
bool RowIndex::Grow() {
  if (bits_ == most_bits_ || !Fits(bits_ + 1)) return false;
  const std::size_t old_end = end_;
  BeforeChange(entries_, old_end);
  SetBits(bits_ + 1);
  std::size_t source = end_;
  for (std::size_t at = old_end; at-- > 0;) {
    if (entries_[at].number != 0) entries_[--source] = entries_[at];
  }
  std::fill_n(entries_, source, Entry{});
  std::size_t next = 0;
  for (; source < end_; ++source) {
    const Entry entry = entries_[source];
    entries_[source] = {};
    next = std::max(next, Home(entry.hash));
    entries_[next++] = entry;
  }
  return true;
}

}  // namespace dime::ps::internal
