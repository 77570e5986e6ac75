// For any processor: 4 floats at a time, as the compiler's own vectors.
#include "ops/cpu/kernels.h"

namespace dime::ops::cpu {
namespace {

struct Generic {
  using Reg = float __attribute__((vector_size(16)));
  using Bits = std::int32_t __attribute__((vector_size(16)));
  using Mask = int;  // How many of the first floats.
  static constexpr int kWidth = 4;
  static constexpr int kTileRows = 4;
  static constexpr int kTileVectors = 2;

  static Mask First(std::int64_t n) { return static_cast<Mask>(n < 0 ? 0 : n > 4 ? 4 : n); }
  static Reg Zero() { return Reg{}; }
  static Reg Broadcast(float x) { return Reg{x, x, x, x}; }
  static Reg Load(const float* p) {
    Reg r;
    __builtin_memcpy(&r, p, sizeof(r));
    return r;
  }
  static Reg Load(const float* p, Mask mask) {
    if (mask == kWidth) return Load(p);
    return Reg{mask > 0 ? p[0] : 0.0f, mask > 1 ? p[1] : 0.0f, mask > 2 ? p[2] : 0.0f, 0.0f};
  }
  static void Store(float* p, Reg r) { __builtin_memcpy(p, &r, sizeof(r)); }
  static void Store(float* p, Mask mask, Reg r) {
    if (mask == kWidth) return Store(p, r);
    if (mask > 0) p[0] = r[0];
    if (mask > 1) p[1] = r[1];
    if (mask > 2) p[2] = r[2];
  }
  static Reg Add(Reg a, Reg b) { return a + b; }
  static Reg Subtract(Reg a, Reg b) { return a - b; }
  static Reg Multiply(Reg a, Reg b) { return a * b; }
  static Reg MultiplyAdd(Reg a, Reg b, Reg c) { return a * b + c; }
  static Reg Divide(Reg a, Reg b) { return a / b; }
  static Reg SquareRoot(Reg a) {
    return Reg{__builtin_sqrtf(a[0]), __builtin_sqrtf(a[1]), __builtin_sqrtf(a[2]),
               __builtin_sqrtf(a[3])};
  }
  static Reg Abs(Reg a) { return reinterpret_cast<Reg>(reinterpret_cast<Bits>(a) & kSizeBits); }
  static Reg CopySign(Reg size, Reg sign) {
    return reinterpret_cast<Reg>((reinterpret_cast<Bits>(size) & kSizeBits) |
                                 (reinterpret_cast<Bits>(sign) & ~kSizeBits));
  }
  static Reg MaxWithZero(Reg a) { return a < Zero() ? Zero() : a; }  // NaN stays NaN.
  static Reg WhereGreater(Reg a, Reg b, Reg value) { return a > b ? value : Zero(); }

  static void Transpose(Reg (&r)[kWidth]) {
    const Reg low01 = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
    const Reg low23 = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
    const Reg high01 = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
    const Reg high23 = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    r[0] = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    r[1] = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    r[2] = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    r[3] = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
  }

 private:
  static constexpr Bits kSizeBits = {0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff};
};

#include "ops/cpu/kernels_impl.h"

}  // namespace

const KernelTable kGenericKernels = MakeTable<Generic>("generic");

}  // namespace dime::ops::cpu
