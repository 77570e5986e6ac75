// For processors with AVX2 and FMA: 8 floats at a time, 16 registers.
#include <immintrin.h>

#include "ops/cpu/kernels.h"

namespace dime::ops::cpu {
namespace {

struct Avx2 {
  using Reg = __m256;
  using Mask = __m256i;
  static constexpr int kWidth = 8;
  static constexpr int kTileRows = 4;
  static constexpr int kTileVectors = 3;

  static Mask First(std::int64_t n) {
    const auto count = static_cast<int>(n < 0 ? 0 : n > kWidth ? kWidth : n);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Reg Zero() { return _mm256_setzero_ps(); }
  static Reg Broadcast(float x) { return _mm256_set1_ps(x); }
  static Reg Load(const float* p) { return _mm256_loadu_ps(p); }
  static Reg Load(const float* p, Mask mask) { return _mm256_maskload_ps(p, mask); }
  static void Store(float* p, Reg r) { _mm256_storeu_ps(p, r); }
  static void Store(float* p, Mask mask, Reg r) {
    // Some processors take tens of cycles for a masked store.
    if (_mm256_movemask_ps(_mm256_castsi256_ps(mask)) == 0xff) return Store(p, r);
    _mm256_maskstore_ps(p, mask, r);
  }
  static Reg Add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg Subtract(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static Reg Multiply(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static Reg MultiplyAdd(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static Reg Divide(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  static Reg SquareRoot(Reg a) { return _mm256_sqrt_ps(a); }
  static Reg Abs(Reg a) { return _mm256_andnot_ps(SignBits(), a); }
  static Reg CopySign(Reg size, Reg sign) {
    return _mm256_or_ps(Abs(size), _mm256_and_ps(SignBits(), sign));
  }
  static Reg MaxWithZero(Reg a) { return _mm256_max_ps(Zero(), a); }  // NaN stays NaN.
  static Reg WhereGreater(Reg a, Reg b, Reg value) {                  // Elsewhere 0.
    return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ), value);
  }

  static void Transpose(Reg (&r)[kWidth]) {
    Reg t[kWidth];
    for (int i = 0; i < kWidth; i += 4) TransposeFours(&r[i], &t[i]);
    // t[4 * i + j] has the columns j and j + 4 of the rows 4 * i to 4 * i + 3.
    for (int j = 0; j < 4; ++j) {
      r[j] = _mm256_permute2f128_ps(t[j], t[4 + j], 0x20);
      r[j + 4] = _mm256_permute2f128_ps(t[j], t[4 + j], 0x31);
    }
  }

 private:
  static Reg SignBits() { return _mm256_set1_ps(-0.0f); }

  // The two 4 x 4 squares of four rows, each where it is.
  static void TransposeFours(const Reg* r, Reg* t) {
    const __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(r[0], r[1]));
    const __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(r[2], r[3]));
    const __m256d high01 = _mm256_castps_pd(_mm256_unpackhi_ps(r[0], r[1]));
    const __m256d high23 = _mm256_castps_pd(_mm256_unpackhi_ps(r[2], r[3]));
    t[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
    t[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
    t[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
    t[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
  }
};

#include "ops/cpu/kernels_impl.h"

}  // namespace

const KernelTable kAvx2Kernels = MakeTable<Avx2>("avx2");

}  // namespace dime::ops::cpu
