// ops/cpu/half_impl.h - floats of 16 bits, as kernels_impl.h is: included within an unnamed
// namespace by one source file for each instruction set. Loops without branches, which compilers
// vectorise.

inline std::uint32_t BitsOf(float value) { return __builtin_bit_cast(std::uint32_t, value); }
inline float FloatOf(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

// What is no number stays so, quiet, whatever its lower bits are.
void ToBfloat16(const float* values, std::int64_t size, std::uint16_t* halves) {
  for (std::int64_t i = 0; i < size; ++i) {
    const std::uint32_t bits = BitsOf(values[i]);
    const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
    const std::uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    const std::uint32_t nan = bits >> 16 | 0x40;
    halves[i] = static_cast<std::uint16_t>(is_nan ? nan : rounded);
  }
}

void FromBfloat16(const std::uint16_t* halves, std::int64_t size, float* values) {
  for (std::int64_t i = 0; i < size; ++i) values[i] = FloatOf(std::uint32_t{halves[i]} << 16);
}

// Numbers too large for it become the largest one. Those below its normal ones are rounded by
// adding 0.5, whose last bit is worth as much as its smallest number.
void ToFloat16(const float* values, std::int64_t size, std::uint16_t* halves) {
  constexpr std::uint32_t kInfinity = 0x7f800000;
  constexpr std::uint32_t kLeastNormal = 113U << 23;    // 2^-14.
  constexpr std::uint32_t kFirstTooLarge = 0x477ff000;  // 65520, halfway to what would be next.
  constexpr std::uint32_t kHalf = 0x3f000000;
  for (std::int64_t i = 0; i < size; ++i) {
    const std::uint32_t bits = BitsOf(values[i]);
    const std::uint32_t sign = bits >> 16 & 0x8000;
    const std::uint32_t size_bits = bits & 0x7fffffff;
    const std::uint32_t small = BitsOf(FloatOf(size_bits) + 0.5f) - kHalf;
    const std::uint32_t normal = (size_bits - (112U << 23) + 0xfff + (size_bits >> 13 & 1)) >> 13;
    std::uint32_t half = size_bits < kLeastNormal ? small : normal;
    half = size_bits >= kFirstTooLarge ? 0x7bff : half;
    half = size_bits == kInfinity ? 0x7c00 : half;
    half = size_bits > kInfinity ? 0x7e00 : half;
    halves[i] = static_cast<std::uint16_t>(sign | half);
  }
}

void FromFloat16(const std::uint16_t* halves, std::int64_t size, float* values) {
  for (std::int64_t i = 0; i < size; ++i) {
    const std::uint32_t half = halves[i];
    const std::uint32_t sign = (half & 0x8000) << 16;
    const std::uint32_t shifted = (half & 0x7fff) << 13;
    const std::uint32_t exponent = shifted & 0x0f800000;
    const std::uint32_t normal = shifted + (112U << 23);
    const std::uint32_t special = shifted | 0x7f800000;
    const std::uint32_t small = BitsOf(FloatOf(shifted + (113U << 23)) - FloatOf(113U << 23));
    std::uint32_t bits = exponent == 0 ? small : normal;
    bits = exponent == 0x0f800000 ? special : bits;
    values[i] = FloatOf(sign | bits);
  }
}
