// ps/internal/row_index.h - from an id's hash to its row's number, in one virtual shard.
//
// Open addressing with linear probing, where entries are kept in the order of their hashes: an
// entry stands at the place that the hash's upper bits say, or behind it. So the order of the
// entries is a function of what is in the index, whatever came and went before; and a search for
// what is not there ends early. The index lies in memory for its largest size from the beginning,
// doubles within it, and needs no other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ps/internal/id_hash.h"
#include "ps/internal/memory_cut.h"

namespace dime::ps::internal {

class RowIndex {
 public:
  struct Entry {
    std::uint64_t hash = 0;
    std::uint32_t number = 0;       // The row's, plus 1; 0: the place is free.
    std::uint32_t last_update = 0;  // A step; only differences count.
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
  // Where all entries are now, free places among them.
  [[nodiscard]] std::span<const Entry> places() const { return {entries_, end_}; }
  // Where entries are preserved before they are changed; null: nowhere.
  void set_cut(MemoryCut* cut) { cut_ = cut; }

  void Prefetch(std::uint64_t hash) const { __builtin_prefetch(entries_ + Home(hash)); }

  // Null when it is not there. Entries stay where they are until one is inserted or erased.
  [[nodiscard]] const Entry* Find(std::uint64_t hash) const {
    const Entry* const e = entries_ + LowerBound(hash);
    return e->number != 0 && e->hash == hash ? e : nullptr;
  }
  void SetLastUpdate(const Entry& entry, std::uint32_t step) {
    Entry* const e = entries_ + (&entry - entries_);
    BeforeChange(e, 1);
    e->last_update = step;
  }
  // Adds an entry whose hash is not there. False when there is no room near its place, and nothing
  // has changed then.
  [[nodiscard]] bool Insert(const Entry& entry);
  void Erase(std::uint64_t hash) { EraseAt(LowerBound(hash)); }
  void Clear();

  // Erases part `part` of `num_parts`, a power of two, as far as is_due(entry).
  template <typename Predicate>
  void EraseIf(std::uint64_t part, std::uint64_t num_parts, const Predicate& is_due) {
    const std::uint64_t first = part * (kHashes / num_parts);
    const std::uint64_t last = first + (kHashes / num_parts - 1);
    std::size_t at = first >> shift_;
    while (at < end_ && (entries_[at].number == 0 || Rank(entries_[at].hash) <= last)) {
      if (entries_[at].number != 0 && Rank(entries_[at].hash) >= first && is_due(entries_[at])) {
        EraseAt(at);  // The next one stands here now, or nothing.
      } else {
        ++at;
      }
    }
  }

  // The entries that follow this hash in order, the first one after the last one; as many as there
  // are, at most entries.size(). Returns how many.
  std::size_t Sample(std::uint64_t hash, std::span<const Entry*> entries) const;

  // f(entry) for each, in order.
  template <typename Function>
  void ForEach(const Function& f) const {
    for (std::size_t at = 0; at < end_; ++at) {
      if (entries_[at].number != 0) f(entries_[at]);
    }
  }

 private:
  // Within the shard hashes go to this number.
  static constexpr std::uint64_t kHashes = std::uint64_t{1} << (64 - kVirtualShardBits);
  [[nodiscard]] static std::uint64_t Rank(std::uint64_t hash) { return hash & (kHashes - 1); }

  // Behind the last home, for those that stand behind theirs. One more entry is always free.
  static constexpr std::size_t PlacesBehind(std::size_t places) {
    constexpr std::size_t kFewest = 15;
    constexpr std::size_t kMost = 511;
    return places / 4 < kFewest ? kFewest : places / 4 > kMost ? kMost : places / 4;
  }

  void SetBits(int bits);
  [[nodiscard]] std::size_t Home(std::uint64_t hash) const { return Rank(hash) >> shift_; }
  // Where this hash's entry is, or would be.
  [[nodiscard]] std::size_t LowerBound(std::uint64_t hash) const {
    std::size_t at = Home(hash);
    while (entries_[at].number != 0 && entries_[at].hash < hash) ++at;
    return at;
  }
  bool InsertAt(std::size_t at, const Entry& entry);
  void EraseAt(std::size_t at);
  bool Grow();
  void BeforeChange(const Entry* first, std::size_t count) {
    if (cut_ != nullptr) [[unlikely]]
      cut_->Preserve(first, count * sizeof(Entry));
  }
  // Whether all entries have a place in an index of 2^bits.
  [[nodiscard]] bool Fits(int bits) const;

  Entry* entries_;
  int most_bits_;
  int bits_ = 0;
  int shift_ = 0;
  std::size_t end_ = 0;  // The entry that is always free.
  std::size_t size_ = 0;
  MemoryCut* cut_ = nullptr;
};

}  // namespace dime::ps::internal
