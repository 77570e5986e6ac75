#include "ops/dropout.h"

#include <array>
#include <cstddef>

#include "runtime/base/random.h"

namespace dime::ops {

void Dropout(float rate, const DropoutKey& key, std::int64_t first_row, MatrixView y) {
  constexpr double kRandomValues = 4294967296.0;  // 2^32
  const auto threshold = static_cast<std::uint32_t>(static_cast<double>(rate) * kRandomValues);
  const float scale = 1.0f / (1.0f - rate);
  for (std::int64_t i = 0; i < y.rows; ++i) {
    float* const row = y.data + i * y.stride;
    const auto number = static_cast<std::uint64_t>(first_row + i);
    std::array<std::uint32_t, 4> random{};
    for (std::int64_t j = 0; j < y.cols; ++j) {
      const auto column = static_cast<std::uint64_t>(j);
      const std::size_t lane = column % random.size();
      if (lane == 0) {
        random = base::Philox(key.step, key.layer << 32 | number, column / random.size());
      }
      row[j] = random[lane] < threshold ? 0.0f : row[j] * scale;
    }
  }
}

void Scale(float factor, MatrixView y) {
  for (std::int64_t i = 0; i < y.rows; ++i) {
    float* const row = y.data + i * y.stride;
    for (std::int64_t j = 0; j < y.cols; ++j) row[j] *= factor;
  }
}

}  // namespace dime::ops
