// models/internal/matrix.h - memory for matrices that is kept from step to step.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "ops/dense.h"
#include "ops/sparse.h"

namespace dime::models::internal {

// Floats on a cache line's border. Grows, never shrinks; unset at first.
class AlignedFloats {
 public:
  // At least `size` floats; what was in them is lost when it has to grow.
  float* Reserve(std::int64_t size);

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(float* floats) const { ::operator delete[](floats, kAlignment); }
  };

  std::unique_ptr<float[], Free> floats_;
  std::int64_t size_ = 0;
};

// A matrix whose rows start on cache lines, or, of one column, lie without gaps: a vector.
class Matrix {
 public:
  // Sets the shape; what was in it is lost.
  void Reshape(std::int64_t rows, std::int64_t cols);

  [[nodiscard]] const ops::MatrixView& view() const { return view_; }

 private:
  AlignedFloats memory_;
  ops::MatrixView view_;
};

// A sparse matrix that is built row by row; see ops::SparseMatrixView.
struct SparseMatrix {
  std::vector<std::int32_t> offsets;
  std::vector<std::int32_t> columns;
  std::vector<float> values;

  [[nodiscard]] ops::SparseMatrixView view() const { return {offsets, columns, values}; }
};

using RowRange = ops::ExampleRange;  // Rows are examples.
struct ColumnRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

[[nodiscard]] inline ops::MatrixView RowsOf(const ops::MatrixView& matrix, RowRange range) {
  return {matrix.data + range.first * matrix.stride, range.count, matrix.cols, matrix.stride};
}
[[nodiscard]] inline ops::MatrixView ColumnsOf(const ops::MatrixView& matrix, ColumnRange range) {
  return {matrix.data + range.first, matrix.rows, range.count, matrix.stride};
}

}  // namespace dime::models::internal
