// ps/row_table.h - what all tables have in common: rows that are read and updated by number.
//
// A fixed table's numbers are those of the rows as they lie here, from 0; an unbounded one's are
// the ids themselves.
#pragma once

#include <cstdint>
#include <span>

#include "ops/table.h"

namespace dime::ps {

class RowTable {
 public:
  virtual ~RowTable() = default;

  [[nodiscard]] virtual const ops::TableSpec& spec() const = 0;  // Of the whole variable.
  // Whether there may be gradients for each of these.
  [[nodiscard]] virtual bool HasIds(std::span<const std::int64_t> ids) const = 0;

  // out[i, :] = weights of row ids[i].
  virtual void Gather(std::span<const std::int64_t> ids, std::span<float> out) const = 0;
  // Applies one gradient a row (ids distinct) with the table's optimizer. `step`: the number of the
  // update, from 1.
  virtual void Update(std::int64_t step, std::span<const std::int64_t> ids,
                      std::span<const float> gradients) = 0;
};

}  // namespace dime::ps
