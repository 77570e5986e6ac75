// ops/dense.h - dense kernels: matrix products and what is fused with them. Written for AVX-512,
// AVX2 and plain x86-64/other processors, chosen once at run time; each has a plain loop in
// tests/ops as its specification.
//
// All matrices are row-major with a leading dimension (floats from one row to the next). Results do
// not depend on the number of threads: these kernels start none.
#pragma once

#include <cstdint>
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

enum class Activation { kIdentity, kRelu };

// y = activation(x * w + bias). x: [m, k], w: [k, n], bias: n floats, y: [m, n].
void Affine(ConstMatrixView x, ConstMatrixView w, const float* bias, Activation activation,
            MatrixView y);

// The three parts of Affine's gradient, given dy: [m, n], the gradient before the activation.
void AffineInputGradient(ConstMatrixView dy, ConstMatrixView w, MatrixView dx);   // dx = dy * w^T
void AffineWeightGradient(ConstMatrixView x, ConstMatrixView dy, MatrixView dw);  // dw = x^T * dy
void AffineBiasGradient(ConstMatrixView dy, float* dbias);  // sums of dy's columns

// dx = 0 where y > 0 does not hold: what comes back through a ReLU whose output was y. Same shape.
void MaskByRelu(ConstMatrixView y, MatrixView dx);

// sum[i] += x[i] for `size` floats.
void AddTo(const float* x, std::int64_t size, float* sum);

// The instruction set in use: "avx512", "avx2" or "generic". DIME_CPU_KERNELS in the environment
// forces a lower one.
[[nodiscard]] std::string_view KernelName();

}  // namespace dime::ops
