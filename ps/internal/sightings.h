// ps/internal/sightings.h - how often ids were seen that have no row yet, in little memory.
//
// Sets of eight ids each, the one seen last in front; a new one drops the last. So an id is counted
// exactly as long as it is among the eight last ones of its set, and begins anew otherwise: counts
// are never too high, and too low only for ids that are seen so seldom that as many others as the
// memory holds come in between. (An id is known by 40 bits of its hash or more.)
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ps/internal/memory_cut.h"

namespace dime::ps::internal {

class Sightings {
 public:
  static constexpr std::size_t kSetSize = 8;  // A line of the cache.
  static constexpr std::uint64_t kMostCounted = 0xffff;

  // Whole sets, a power of two of them, zeroed; or nothing, and nothing is counted.
  explicit Sightings(std::span<std::uint64_t> memory) : memory_(memory) {}

  void Prefetch(std::uint64_t hash) const {
    if (!memory_.empty()) __builtin_prefetch(SetOf(hash), 1);
  }

  // Counts one more, and returns how many there are now.
  std::uint64_t Count(std::uint64_t hash) {
    std::uint64_t* const set = SetToChange(hash);
    std::size_t at = 0;
    while (at < kSetSize - 1 && (set[at] & kTagBits) != (hash & kTagBits)) ++at;
    std::uint64_t count = 0;
    if ((set[at] & kTagBits) == (hash & kTagBits)) count = set[at] & kMostCounted;
    count = std::min(count + 1, kMostCounted);
    std::copy_backward(set, set + at, set + at + 1);
    set[0] = (hash & kTagBits) | count;
    return count;
  }

  // Forgets an id that was just counted.
  void Forget(std::uint64_t hash) {
    std::uint64_t* const set = SetToChange(hash);
    std::copy(set + 1, set + kSetSize, set);
    set[kSetSize - 1] = 0;
  }

  // All there is to know, to be kept and put back.
  [[nodiscard]] std::span<const std::uint64_t> memory() const { return memory_; }
  // Nothing is known of ids when `memory` has another size.
  template <typename Int>
  void PutBack(std::span<const Int> memory) {
    BeforeChange(memory_);
    std::ranges::fill(memory_, 0);
    if (memory.size() == memory_.size()) std::ranges::copy(memory, memory_.begin());
  }
  // Where sets are preserved before they are changed; null: nowhere.
  void set_cut(MemoryCut* cut) { cut_ = cut; }
  // A bit for each set, which is set when the set changes; somebody else clears it.
  void set_marks(std::span<std::uint64_t> marks) { marks_ = marks; }

 private:
  static constexpr std::uint64_t kTagBits = ~kMostCounted;

  // By the lower bits: upper ones are the same in a virtual shard.
  [[nodiscard]] std::uint64_t* SetOf(std::uint64_t hash) const {
    return memory_.data() + (hash & (memory_.size() / kSetSize - 1)) * kSetSize;
  }

  std::uint64_t* SetToChange(std::uint64_t hash) {
    std::uint64_t* const set = SetOf(hash);
    BeforeChange({set, kSetSize});
    if (!marks_.empty()) {
      const auto number = static_cast<std::size_t>(set - memory_.data()) / kSetSize;
      constexpr std::size_t kWordBits = 64;
      marks_[number / kWordBits] |= std::uint64_t{1} << number % kWordBits;
    }
    return set;
  }
  void BeforeChange(std::span<const std::uint64_t> sets) {
    if (cut_ != nullptr) [[unlikely]]
      cut_->Preserve(sets.data(), sets.size_bytes());
  }

  std::span<std::uint64_t> memory_;
  std::span<std::uint64_t> marks_;
  MemoryCut* cut_ = nullptr;
};

}  // namespace dime::ps::internal
