#include "ps/internal/row_index.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace dime::ps::internal {

RowIndex::RowIndex(Entry* entries, int most_bits) : entries_(entries), most_bits_(most_bits) {
  DIME_CHECK(most_bits >= kFewestBits && most_bits <= kMostBits);
  SetBits(kFewestBits);
}

void RowIndex::SetBits(int bits) {
  bits_ = bits;
  shift_ = 32 - bits;
  end_ = EntriesFor(bits) - 1;
}

std::size_t RowIndex::LowerBound(std::uint32_t tag) const {
  std::size_t at = Home(tag);
  while (entries_[at].number != 0 && entries_[at].tag < tag) ++at;
  return at;
}

bool RowIndex::InsertAt(std::size_t at, Entry entry) {
  std::size_t gap = at;
  while (entries_[gap].number != 0) ++gap;
  if (gap == end_) return false;
  std::copy_backward(entries_ + at, entries_ + gap, entries_ + gap + 1);
  entries_[at] = entry;
  ++size_;
  return true;
}

void RowIndex::Erase(std::uint32_t tag, std::uint32_t row) {
  std::size_t at = LowerBound(tag);
  while (entries_[at].number != row + 1) {
    DIME_CHECK(entries_[at].number != 0 && entries_[at].tag == tag);
    ++at;
  }
  EraseAt(at);
}

void RowIndex::EraseAt(std::size_t at) {
  for (; entries_[at + 1].number != 0 && Home(entries_[at + 1].tag) <= at; ++at) {
    entries_[at] = entries_[at + 1];
  }
  entries_[at] = {};
  --size_;
}

std::size_t RowIndex::Sample(std::uint32_t tag, std::span<std::uint32_t> rows) const {
  const std::size_t start = LowerBound(tag);
  const std::size_t most = std::min(rows.size(), size_);
  std::size_t count = 0;
  for (std::size_t at = start; count < most && at < end_; ++at) {
    if (entries_[at].number != 0) rows[count++] = entries_[at].number - 1;
  }
  for (std::size_t at = 0; count < most && at < start; ++at) {
    if (entries_[at].number != 0) rows[count++] = entries_[at].number - 1;
  }
  return count;
}

void RowIndex::Clear() {
  std::fill_n(entries_, EntriesFor(bits_), Entry{});
  size_ = 0;
}

bool RowIndex::Fits(int shift, std::size_t end) const {
  std::size_t next = 0;
  for (std::size_t at = 0; at < end_; ++at) {
    if (entries_[at].number == 0) continue;
    next = std::max<std::size_t>(next, entries_[at].tag >> shift) + 1;
  }
  return next <= end;
}

// The entries go to the end of the larger index, and from there, in order, to their new places:
// each of these is free by then.
bool RowIndex::Grow() {
  if (bits_ == most_bits_) return false;
  if (!Fits(shift_ - 1, EntriesFor(bits_ + 1) - 1)) return false;
  const std::size_t old_end = end_;
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
    next = std::max(next, Home(entry.tag));
    entries_[next++] = entry;
  }
  return true;
}

}  // namespace dime::ps::internal
