// ps/internal/row_index.h - from a tag, 32 bits of an id's hash, to a row's number.
//
// Open addressing with linear probing, where entries are kept in the order of their tags: an entry
// stands at the place that its tag's upper bits say, or behind it. So the order of the entries is a
// function of what is in the index, whatever came and went before; and a search for what is not
// there ends early. The index lies in memory for its largest size from the beginning, doubles
// within it, and needs no other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace dime::ps::internal {

class RowIndex {
 public:
  static constexpr std::uint32_t kNoRow = 0xffffffff;

  struct Entry {
    std::uint32_t tag = 0;
    std::uint32_t number = 0;  // The row's, plus 1; 0: the place is free.
  };

  // How many entries the memory of an index of 2^bits places has, and how many rows it takes.
  static constexpr std::size_t EntriesFor(int bits) {
    const std::size_t places = std::size_t{1} << bits;
    return places + PlacesBehind(places) + 1;
  }
  static constexpr std::size_t RowsFor(int bits) { return (std::size_t{1} << bits) / 4 * 3; }

  static constexpr int kFewestBits = 4;
  static constexpr int kMostBits = 28;

  // EntriesFor(most_bits) zeroed entries.
  RowIndex(Entry* entries, int most_bits);

  [[nodiscard]] std::size_t size() const { return size_; }

  void Prefetch(std::uint32_t tag) const { __builtin_prefetch(entries_ + Home(tag)); }

  // The first row of this tag for which is_it(row); kNoRow when there is none.
  template <typename Predicate>
  [[nodiscard]] std::uint32_t Find(std::uint32_t tag, const Predicate& is_it) const {
    for (const Entry* e = entries_ + Home(tag); e->number != 0 && e->tag <= tag; ++e) {
      if (e->tag == tag && is_it(e->number - 1)) return e->number - 1;
    }
    return kNoRow;
  }

  // Adds a row that is not there. Of those with the same tag it stands behind all for which
  // is_before(row). False when there is no room near its place, and nothing has changed then.
  template <typename Predicate>
  [[nodiscard]] bool Insert(std::uint32_t tag, std::uint32_t row, const Predicate& is_before) {
    if (size_ >= RowsFor(bits_)) Grow();
    do {
      std::size_t at = LowerBound(tag);
      while (entries_[at].number != 0 && entries_[at].tag == tag &&
             is_before(entries_[at].number - 1)) {
        ++at;
      }
      if (InsertAt(at, {tag, row + 1})) return true;
    } while (Grow());
    return false;
  }

  void Erase(std::uint32_t tag, std::uint32_t row);
  // Erases all with tags in [first, last] for which is_due(row).
  template <typename Predicate>
  void EraseIf(std::uint32_t first, std::uint32_t last, const Predicate& is_due) {
    for (std::size_t at = LowerBound(first); at < end_;) {
      const Entry& e = entries_[at];
      if (e.number == 0) {
        ++at;
      } else if (e.tag > last) {
        return;
      } else if (is_due(e.number - 1)) {
        EraseAt(at);  // The next one stands here now, or nothing.
      } else {
        ++at;
      }
    }
  }

  // The rows that follow this tag in order, the first one after the last one; as many as there are,
  // at most rows.size(). Returns how many.
  std::size_t Sample(std::uint32_t tag, std::span<std::uint32_t> rows) const;

  // f(row) for each, in order.
  template <typename Function>
  void ForEach(const Function& f) const {
    for (std::size_t at = 0; at < end_; ++at) {
      if (entries_[at].number != 0) f(entries_[at].number - 1);
    }
  }

  void Clear();

 private:
  // Behind the last home, for those that stand behind theirs. One more entry is always free.
  static constexpr std::size_t PlacesBehind(std::size_t places) {
    constexpr std::size_t kFewest = 15;
    constexpr std::size_t kMost = 511;
    return places / 4 < kFewest ? kFewest : places / 4 > kMost ? kMost : places / 4;
  }

  void SetBits(int bits);
  [[nodiscard]] std::size_t Home(std::uint32_t tag) const { return tag >> shift_; }
  // Where the first entry of this tag or of a higher one is, or would be.
  [[nodiscard]] std::size_t LowerBound(std::uint32_t tag) const;
  bool InsertAt(std::size_t at, Entry entry);
  void EraseAt(std::size_t at);
  bool Grow();
  // Whether all entries have a place in an index whose homes the shift says.
  [[nodiscard]] bool Fits(int shift, std::size_t end) const;

  Entry* entries_;
  int most_bits_;
  int bits_ = 0;
  int shift_ = 0;
  std::size_t end_ = 0;  // The entry that is always free.
  std::size_t size_ = 0;
};

}  // namespace dime::ps::internal
