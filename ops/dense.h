// ops/dense.h - dense kernels: matrix products and what is fused with them. Written for AVX-512,
// AVX2 and plain x86-64/other processors, chosen once at run time; each has a plain loop in
// tests/ops as its specification.
//
// All matrices are row-major with a leading dimension (floats from one row to the next). Results do
// not depend on the number of threads: these kernels start none.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dime::ops {

struct MatrixView {
  float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;  // >= cols.
};
struct ConstMatrixView {
  const float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  ConstMatrixView() = default;
  ConstMatrixView(const float* data, std::int64_t rows, std::int64_t cols, std::int64_t stride)
      : data(data), rows(rows), cols(cols), stride(stride) {}
  // NOLINTNEXTLINE(google-explicit-constructor): a view of mutable floats serves as one.
  ConstMatrixView(const MatrixView& m)
      : data(m.data), rows(m.rows), cols(m.cols), stride(m.stride) {}
};

// A matrix of mostly zeros: row i has values[k] in the column columns[k], for k in [offsets[i],
// offsets[i + 1]). A column may come several times in a row: its values add up.
struct SparseMatrixView {
  std::span<const std::int32_t> offsets;  // One more than there are rows.
  std::span<const std::int32_t> columns;
  std::span<const float> values;  // Parallel to columns. Empty: all 1.
};

enum class Activation { kIdentity, kRelu };

// y = activation(x * w + bias). x: [m, k], w: [k, n], bias: n floats, y: [m, n].
void Affine(ConstMatrixView x, ConstMatrixView w, const float* bias, Activation activation,
            MatrixView y);

// The same in two steps, for an x whose columns are partly sparse: y = s * w + bias, and then y =
// activation(y + x * w).
void SparseAffine(SparseMatrixView s, ConstMatrixView w, const float* bias, MatrixView y);
void AddProduct(ConstMatrixView x, ConstMatrixView w, Activation activation, MatrixView y);

// The three parts of Affine's gradient, given dy: [m, n], the gradient before the activation.
void AffineInputGradient(ConstMatrixView dy, ConstMatrixView w, MatrixView dx);   // dx = dy * w^T
void AffineWeightGradient(ConstMatrixView x, ConstMatrixView dy, MatrixView dw);  // dw = x^T * dy
// dw += s^T * dy.
void AddSparseWeightGradient(SparseMatrixView s, ConstMatrixView dy, MatrixView dw);
void AffineBiasGradient(ConstMatrixView dy, float* dbias);  // sums of dy's columns

// dx = 0 where y > 0 does not hold: what comes back through a ReLU whose output was y. Same shape.
void MaskByRelu(ConstMatrixView y, MatrixView dx);

// sum[i] += x[i] for `size` floats.
void AddTo(const float* x, std::int64_t size, float* sum);

// The instruction set in use: "avx512", "avx2" or "generic". DIME_CPU_KERNELS in the environment
// forces a lower one.
[[nodiscard]] std::string_view KernelName();

}  // namespace dime::ops
