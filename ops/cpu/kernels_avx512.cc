// For processors with AVX-512: 16 floats at a time, 32 registers, masks for what is left.
#include <immintrin.h>

#include "ops/cpu/kernels.h"

namespace dime::ops::cpu {
namespace {

struct Avx512 {
  using Reg = __m512;
  using Mask = __mmask16;
  static constexpr int kWidth = 16;
  static constexpr int kTileRows = 8;
  static constexpr int kTileVectors = 3;

  static Mask First(std::int64_t n) {
    return static_cast<Mask>(n >= kWidth ? 0xffffu : (1u << (n > 0 ? n : 0)) - 1);
  }
  static Reg Zero() { return _mm512_setzero_ps(); }
  static Reg Broadcast(float x) { return _mm512_set1_ps(x); }
  static Reg Load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg Load(const float* p, Mask mask) { return _mm512_maskz_loadu_ps(mask, p); }
  static void Store(float* p, Reg r) { _mm512_storeu_ps(p, r); }
  static void Store(float* p, Mask mask, Reg r) { _mm512_mask_storeu_ps(p, mask, r); }
  static Reg Add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg Subtract(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static Reg Multiply(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg MultiplyAdd(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static Reg Divide(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  static Reg SquareRoot(Reg a) { return _mm512_sqrt_ps(a); }
  static Reg Abs(Reg a) { return _mm512_abs_ps(a); }
  static Reg CopySign(Reg size, Reg sign) {
    const __m512i bits = _mm512_ternarylogic_epi32(  // Bit by bit: selector ? size : sign.
        _mm512_set1_epi32(0x7fffffff), _mm512_castps_si512(size), _mm512_castps_si512(sign), 0xca);
    return _mm512_castsi512_ps(bits);
  }
  static Reg MaxWithZero(Reg a) { return _mm512_max_ps(Zero(), a); }  // NaN stays NaN.
  static Reg WhereGreater(Reg a, Reg b, Reg value) {                  // Elsewhere 0.
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), value);
  }

  static void Transpose(Reg (&r)[kWidth]) {
    Reg t[kWidth];
    for (int i = 0; i < kWidth; i += 4) TransposeFours(&r[i], &t[i]);
    // t[4 * i + j] has the columns j, j + 4, j + 8, j + 12 of the rows 4 * i to 4 * i + 3.
    for (int j = 0; j < 4; ++j) {
      const Reg low01 = _mm512_shuffle_f32x4(t[j], t[4 + j], 0x88);
      const Reg high01 = _mm512_shuffle_f32x4(t[j], t[4 + j], 0xdd);
      const Reg low23 = _mm512_shuffle_f32x4(t[8 + j], t[12 + j], 0x88);
      const Reg high23 = _mm512_shuffle_f32x4(t[8 + j], t[12 + j], 0xdd);
      r[j] = _mm512_shuffle_f32x4(low01, low23, 0x88);
      r[j + 4] = _mm512_shuffle_f32x4(high01, high23, 0x88);
      r[j + 8] = _mm512_shuffle_f32x4(low01, low23, 0xdd);
      r[j + 12] = _mm512_shuffle_f32x4(high01, high23, 0xdd);
    }
  }

 private:
  // The four 4 x 4 squares of four rows, each where it is.
  static void TransposeFours(const Reg* r, Reg* t) {
    const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(r[0], r[1]));
    const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(r[2], r[3]));
    const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(r[0], r[1]));
    const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(r[2], r[3]));
    t[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
    t[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
    t[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
    t[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
  }
};

#include "ops/cpu/kernels_impl.h"

}  // namespace

const KernelTable kAvx512Kernels = MakeTable<Avx512>("avx512");

}  // namespace dime::ops::cpu
