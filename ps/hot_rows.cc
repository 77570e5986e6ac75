#include "ps/hot_rows.h"

#include <algorithm>

namespace dime::ps {

void HotRows::Count(std::int64_t row) {
  const auto end = rows_.begin() + static_cast<std::ptrdiff_t>(num_rows_);
  const auto found = std::find(rows_.begin(), end, row);
  auto at = static_cast<std::size_t>(found - rows_.begin());
  if (found == end && num_rows_ == kRows) {
    // The rarest one makes room. What it was counted for may have been this row, or not.
    at = static_cast<std::size_t>(std::ranges::min_element(counts_) - counts_.begin());
    doubts_[at] = counts_[at];
  } else if (found == end) {
    ++num_rows_;
  }
  rows_[at] = row;
  ++counts_[at];
}

std::vector<HotRows::Entry> HotRows::Hottest(std::size_t count) const {
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < num_rows_; ++i) {
    entries.push_back({rows_[i], (counts_[i] - doubts_[i]) * kOneIn});
  }
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
    return a.count != b.count ? a.count > b.count : a.row < b.row;
  });
  if (entries.size() > count) entries.resize(count);
  return entries;
}

}  // namespace dime::ps
