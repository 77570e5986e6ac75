#include "models/internal/matrix.h"

#include <cstddef>

namespace dime::models::internal {

float* AlignedFloats::Reserve(std::int64_t size) {
  if (size > size_) {
    const std::size_t size_bytes = static_cast<std::size_t>(size) * sizeof(float);
    floats_.reset();  // Before, not after: nobody needs the old ones beside the new.
    size_ = 0;
    floats_.reset(static_cast<float*>(::operator new[](size_bytes, kAlignment)));
    size_ = size;
  }
  return floats_.get();
}

void Matrix::Reshape(std::int64_t rows, std::int64_t cols) {
  constexpr std::int64_t kLineFloats = 16;
  const std::int64_t stride = cols == 1 ? 1 : (cols + kLineFloats - 1) / kLineFloats * kLineFloats;
  view_ = {memory_.Reserve(rows * stride), rows, cols, stride};
}

}  // namespace dime::models::internal
