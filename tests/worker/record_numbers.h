// tests/worker/record_numbers.h - records, each of which is its number.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

namespace dime::worker {

using Records = std::vector<std::int64_t>;

// 0 to count - 1.
inline Records Range(std::int64_t count) {
  Records records(static_cast<std::size_t>(count));
  std::iota(records.begin(), records.end(), 0);
  return records;
}

}  // namespace dime::worker
