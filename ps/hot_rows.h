// ps/hot_rows.h - which rows are pulled most, from a sample.
//
// One in 256 rows of what is pulled, at random distances, goes into a space-saving sketch of 64
// rows a table (Metwally, Agrawal, El Abbadi 2005): a row that makes up more than a 64th of the
// sample is in it, and its count too low by a 64th of it at most. An entry costs some
// 30 ns, so a 256th of that a row. Threads: one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace dime::ps {

class HotRows {
 public:
  static constexpr std::int64_t kOneIn = 256;

  struct Entry {
    std::int64_t row = 0;
    std::int64_t count = 0;  // About, of all; as far as it is certain.
  };

  void Add(std::span<const std::int64_t> rows) {
    const auto size = static_cast<std::int64_t>(rows.size());
    for (; next_ < size; next_ += Distance()) Count(rows[static_cast<std::size_t>(next_)]);
    next_ -= size;
  }

  // The `count` hottest ones, hottest first.
  [[nodiscard]] std::vector<Entry> Hottest(std::size_t count) const;

 private:
  static constexpr std::size_t kRows = 64;

  // To the sample's next row: kOneIn in the mean. Not always kOneIn, as batches look up the same
  // columns over and over.
  std::int64_t Distance() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return 1 + static_cast<std::int64_t>(random_ % (2 * kOneIn - 1));
  }
  void Count(std::int64_t row);

  std::uint64_t random_ = 0x9e3779b97f4a7c15;
  std::int64_t next_ = 0;  // How many rows come before it.
  std::size_t num_rows_ = 0;
  std::array<std::int64_t, kRows> rows_{};
  std::array<std::int64_t, kRows> counts_{};
  std::array<std::int64_t, kRows> doubts_{};  // What of the counts may have been other rows.
};

}  // namespace dime::ps
