// ps/internal/shard_journal.h - what has changed in a virtual shard from some moment on, as far as
// the rows that are there do not say it by their last updates.
//
// Which rows were erased, and which sets of sightings changed; in memory of a fixed size. When
// there are more erased rows than it has room for, it is incomplete, and stays so until it starts
// again.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dime::ps::internal {

class ShardJournal {
 public:
  // What it knew at a moment.
  struct Changes {
    bool is_complete = false;               // If not, the rest says nothing.
    std::vector<std::uint64_t> erased;      // Hashes, as they went; some more than once.
    std::vector<std::size_t> changed_sets;  // Ascending.
  };

  static constexpr std::size_t kWordBits = 64;
  static constexpr std::size_t WordsFor(std::size_t num_sets) {
    return (num_sets + kWordBits - 1) / kWordBits;
  }

  // Zeroed memory: for the hashes of erased rows; for a bit a set of sightings, which they set by
  // themselves (Sightings::set_marks). It is incomplete before the first Restart().
  ShardJournal(std::span<std::uint64_t> erased, std::span<std::uint64_t> marks)
      : erased_(erased), marks_(marks) {}

  // Knows all that changes from here on.
  void Restart() {
    is_complete_ = true;
    num_erased_ = 0;
    std::ranges::fill(marks_, 0);
  }
  // Something has changed that it does not know.
  void Stop() { is_complete_ = false; }

  void NoteErased(std::uint64_t hash) {
    if (!is_complete_) return;
    is_complete_ = num_erased_ < erased_.size();
    if (is_complete_) erased_[num_erased_++] = hash;
  }

  [[nodiscard]] std::span<std::uint64_t> marks() const { return marks_; }
  [[nodiscard]] Changes Read() const {
    Changes changes = {.is_complete = is_complete_, .erased = {}, .changed_sets = {}};
    if (!is_complete_) return changes;
    const auto erased = erased_.first(num_erased_);
    changes.erased.assign(erased.begin(), erased.end());
    for (std::size_t word = 0; word < marks_.size(); ++word) {
      for (std::uint64_t left = marks_[word]; left != 0; left &= left - 1) {
        const auto bit = static_cast<std::size_t>(std::countr_zero(left));
        changes.changed_sets.push_back(word * kWordBits + bit);
      }
    }
    return changes;
  }

 private:
  std::span<std::uint64_t> erased_;
  std::span<std::uint64_t> marks_;
  std::size_t num_erased_ = 0;
  bool is_complete_ = false;
};

}  // namespace dime::ps::internal
