// ops/cpu/kernels.h - the kernels of one instruction set, as a table of functions.
//
// Each set is compiled in a source file of its own, with its own compiler flags, from
// kernels_impl.h; ops/dense.cc takes the best table that the processor can run. Everything else in
// the program is compiled for any processor.
#pragma once

#include <cstdint>
#include <span>

namespace dime::ops::cpu {

// c(i, j) = activation(start + sum over p < depth of a(i, p) * b(p, j)), where start is bias[j],
// c(i, j) or 0.
//
// The sum runs through p in order from `start`, one fused multiply-add a term (generic kernels:
// rounded after the product too). So an element depends on its row of a and its column of b alone,
// not on the size of the product around it, and is the same on every processor that has fused
// multiply-adds.
struct Product {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t depth = 0;
  const float* a = nullptr;  // a(i, p) = a[i * a_row + p * a_col].
  std::int64_t a_row = 0;
  std::int64_t a_col = 0;
  const float* b = nullptr;  // b(p, j) = b[p * b_row + j * b_col]. One of the two must be 1.
  std::int64_t b_row = 0;
  std::int64_t b_col = 1;
  float* c = nullptr;  // c(i, j) = c[i * c_row + j].
  std::int64_t c_row = 0;
  const float* bias = nullptr;  // `cols` floats; may be null.
  bool accumulate = false;      // Starts from c. Not together with a bias.
  bool relu = false;
};

// What SparseAffine() and AddSparseWeightGradient() of ops/dense.h say. x: [rows, ...], `w` and
// `dw` have `cols` columns.
struct SparseProduct {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  const std::int32_t* offsets = nullptr;  // rows + 1 of them.
  const std::int32_t* columns = nullptr;
  const float* values = nullptr;  // Null: all 1.
};

struct KernelTable {
  const char* name;
  void (*multiply)(const Product& product);
  // y(i, j) = bias[j] + the sum over x's row i of value * w(column, j), in order.
  void (*sparse_affine)(const SparseProduct& x, const float* w, std::int64_t w_stride,
                        const float* bias, float* y, std::int64_t y_stride);
  // dw(column, j) += value * dy(i, j), for x's rows in order.
  void (*add_sparse_weight_gradient)(const SparseProduct& x, const float* dy,
                                     std::int64_t dy_stride, float* dw, std::int64_t dw_stride);
  // sums[j] = the sum of in's column j, in order.
  void (*sum_rows)(const float* in, std::int64_t rows, std::int64_t cols, std::int64_t stride,
                   float* sums);
  // dx = 0 where y > 0 does not hold.
  void (*mask_by_relu)(const float* y, std::int64_t y_stride, std::int64_t rows, std::int64_t cols,
                       float* dx, std::int64_t dx_stride);
  void (*add_to)(const float* x, std::int64_t size, float* sum);
  // ops/optimizer.h's rules on one long row, without fused operations: the same bytes everywhere.
  void (*update_adagrad)(float learning_rate, const float* gradient, std::int64_t size,
                         float* weights, float* accumulators);
  // For a learning_rate_power of -0.5.
  void (*update_ftrl)(float learning_rate, float l1, float l2, const float* gradient,
                      std::int64_t size, float* weights, float* accumulators, float* linears);
  // ops/hashing.h's FingerprintCat() of each pair.
  void (*cat_fingerprints)(const std::uint64_t* values, std::int64_t size, std::uint64_t* hashes);
  // ops/half.h's conversions: the same bits everywhere.
  void (*to_bfloat16)(const float* values, std::int64_t size, std::uint16_t* halves);
  void (*from_bfloat16)(const std::uint16_t* halves, std::int64_t size, float* values);
  void (*to_float16)(const float* values, std::int64_t size, std::uint16_t* halves);
  void (*from_float16)(const std::uint16_t* halves, std::int64_t size, float* values);
};

extern const KernelTable kGenericKernels;
#if defined(__x86_64__)
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
#endif

// The tables that this processor can run, the best one first.
std::span<const KernelTable* const> SupportedKernels();

// The best of them, or the one that is `wanted` by name; null or an unknown name wants the best.
const KernelTable& ChooseKernels(const char* wanted);

// The table in use: ChooseKernels() with what DIME_CPU_KERNELS says when it is first asked.
const KernelTable& Kernels();

}  // namespace dime::ops::cpu
