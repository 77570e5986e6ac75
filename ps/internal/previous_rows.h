// ps/internal/previous_rows.h - the rows that one update has changed, as they were before it.
//
// For a replica that was lost within a step which one server has whole and another has not: it has
// to compute its gradients anew, with the rows that all others had.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "ps/row_table.h"

namespace dime::ps::internal {

class PreviousRows {
 public:
  // An update of these rows comes next. A dense table: of all, [0, num_rows).
  void Remember(const RowTable& table, std::span<const std::int64_t> rows) {
    rows_.assign(rows.begin(), rows.end());
    values_.resize(rows.size() * static_cast<std::size_t>(table.spec().dim));
    table.Gather(rows_, values_);
    places_.clear();
  }

  // `rows`: the weights as they were.
  void Gather(const RowTable& table, std::span<const std::int64_t> rows, std::span<float> out) {
    table.Gather(rows, out);
    if (places_.empty()) {
      for (std::size_t i = 0; i < rows_.size(); ++i) places_[rows_[i]] = i;
    }
    const auto dim = static_cast<std::size_t>(table.spec().dim);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto place = places_.find(rows[i]);
      if (place == places_.end()) continue;
      const std::span<const float> before = std::span(values_).subspan(place->second * dim, dim);
      std::copy(before.begin(), before.end(), out.subspan(i * dim).begin());
    }
  }

 private:
  std::vector<std::int64_t> rows_;
  std::vector<float> values_;
  std::unordered_map<std::int64_t, std::size_t> places_;  // Of rows_; made when it is asked for.
};

}  // namespace dime::ps::internal
