#include "ops/dense.h"

#include <cstdlib>
#include <vector>

#include "ops/cpu/kernels.h"
#include "ops/cpu/products.h"

namespace dime::ops {
namespace cpu {
namespace {

std::vector<const KernelTable*> FindSupportedKernels() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
  if (has_avx2 && has_avx512) tables.push_back(&kAvx512Kernels);
  if (has_avx2) tables.push_back(&kAvx2Kernels);
#endif
  tables.push_back(&kGenericKernels);
  return tables;
}

}  // namespace

std::span<const KernelTable* const> SupportedKernels() {
  static const std::vector<const KernelTable*> tables = FindSupportedKernels();
  return tables;
}

const KernelTable& ChooseKernels(const char* wanted) {
  const std::span<const KernelTable* const> tables = SupportedKernels();
  for (const KernelTable* table : tables) {
    if (wanted != nullptr && std::string_view(wanted) == table->name) return *table;
  }
  return *tables.front();
}

const KernelTable& Kernels() {
  static const KernelTable& chosen = ChooseKernels(std::getenv("DIME_CPU_KERNELS"));
  return chosen;
}

Product AffineProduct(ConstMatrixView x, ConstMatrixView w, const float* bias,
                      Activation activation, MatrixView y) {
  return {.rows = y.rows,
          .cols = y.cols,
          .depth = x.cols,
          .a = x.data,
          .a_row = x.stride,
          .a_col = 1,
          .b = w.data,
          .b_row = w.stride,
          .b_col = 1,
          .c = y.data,
          .c_row = y.stride,
          .bias = bias,
          .relu = activation == Activation::kRelu};
}

Product InputGradientProduct(ConstMatrixView dy, ConstMatrixView w, MatrixView dx) {
  return {.rows = dx.rows,
          .cols = dx.cols,
          .depth = dy.cols,
          .a = dy.data,
          .a_row = dy.stride,
          .a_col = 1,
          .b = w.data,
          .b_row = 1,
          .b_col = w.stride,
          .c = dx.data,
          .c_row = dx.stride};
}

Product WeightGradientProduct(ConstMatrixView x, ConstMatrixView dy, MatrixView dw) {
  if (dw.cols == 1 && dw.stride == 1) {  // One long row is quicker than one long column.
    return {.rows = 1,
            .cols = dw.rows,
            .depth = x.rows,
            .a = dy.data,
            .a_row = 1,
            .a_col = dy.stride,
            .b = x.data,
            .b_row = x.stride,
            .b_col = 1,
            .c = dw.data,
            .c_row = dw.rows};
  }
  return {.rows = dw.rows,
          .cols = dw.cols,
          .depth = x.rows,
          .a = x.data,
          .a_row = 1,
          .a_col = x.stride,
          .b = dy.data,
          .b_row = dy.stride,
          .b_col = 1,
          .c = dw.data,
          .c_row = dw.stride};
}

SparseProduct SparseRowsTimes(std::int64_t cols, SparseMatrixView s) {
  return {.rows = std::ssize(s.offsets) - 1,
          .cols = cols,
          .offsets = s.offsets.data(),
          .columns = s.columns.data(),
          .values = s.values.empty() ? nullptr : s.values.data()};
}

}  // namespace cpu

void Affine(ConstMatrixView x, ConstMatrixView w, const float* bias, Activation activation,
            MatrixView y) {
  cpu::Kernels().multiply(cpu::AffineProduct(x, w, bias, activation, y));
}

void SparseAffine(SparseMatrixView s, ConstMatrixView w, const float* bias, MatrixView y) {
  cpu::Kernels().sparse_affine(cpu::SparseRowsTimes(y.cols, s), w.data, w.stride, bias, y.data,
                               y.stride);
}

void AddProduct(ConstMatrixView x, ConstMatrixView w, Activation activation, MatrixView y) {
  cpu::Product product = cpu::AffineProduct(x, w, /*bias=*/nullptr, activation, y);
  product.accumulate = true;
  cpu::Kernels().multiply(product);
}

void AffineInputGradient(ConstMatrixView dy, ConstMatrixView w, MatrixView dx) {
  cpu::Kernels().multiply(cpu::InputGradientProduct(dy, w, dx));
}

void AffineWeightGradient(ConstMatrixView x, ConstMatrixView dy, MatrixView dw) {
  cpu::Kernels().multiply(cpu::WeightGradientProduct(x, dy, dw));
}

void AddSparseWeightGradient(SparseMatrixView s, ConstMatrixView dy, MatrixView dw) {
  cpu::Kernels().add_sparse_weight_gradient(cpu::SparseRowsTimes(dw.cols, s), dy.data, dy.stride,
                                            dw.data, dw.stride);
}

void AffineBiasGradient(ConstMatrixView dy, float* dbias) {
  cpu::Kernels().sum_rows(dy.data, dy.rows, dy.cols, dy.stride, dbias);
}

void MaskByRelu(ConstMatrixView y, MatrixView dx) {
  cpu::Kernels().mask_by_relu(y.data, y.stride, dx.rows, dx.cols, dx.data, dx.stride);
}

void AddTo(const float* x, std::int64_t size, float* sum) { cpu::Kernels().add_to(x, size, sum); }

std::string_view KernelName() { return cpu::Kernels().name; }

}  // namespace dime::ops
