// ops/cpu/products.h - ops/dense.h's operations, said as the one product that all kernels have.
#pragma once

#include "ops/cpu/kernels.h"
#include "ops/dense.h"

namespace dime::ops::cpu {

Product AffineProduct(ConstMatrixView x, ConstMatrixView w, const float* bias,
                      Activation activation, MatrixView y);
Product InputGradientProduct(ConstMatrixView dy, ConstMatrixView w, MatrixView dx);
Product WeightGradientProduct(ConstMatrixView x, ConstMatrixView dy, MatrixView dw);
SparseProduct SparseRowsTimes(std::int64_t cols, SparseMatrixView s);

}  // namespace dime::ops::cpu
