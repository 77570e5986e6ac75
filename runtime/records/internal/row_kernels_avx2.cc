// For processors with AVX2 and what came before it (AES, BMI2).
#include <immintrin.h>

#include "runtime/records/internal/row_kernels.h"

namespace dime::records::internal {
namespace {

#include "runtime/records/internal/row_kernels_impl.h"

struct Avx2 {
  static std::uint64_t BytesEqual(__m256i low, __m256i high, char c) {
    const __m256i wanted = _mm256_set1_epi8(c);
    const auto bits = [wanted](__m256i bytes) {
      return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, wanted)));
    };
    return bits(low) | std::uint64_t{bits(high)} << 32;
  }

  static Structure Find(const char* block, char separator) {
    const auto* const bytes = reinterpret_cast<const __m256i*>(block);
    const __m256i low = _mm256_loadu_si256(bytes);
    const __m256i high = _mm256_loadu_si256(bytes + 1);
    const std::uint64_t line_feeds = BytesEqual(low, high, '\n');
    return {.field_ends = BytesEqual(low, high, separator) | line_feeds,
            .line_feeds = line_feeds,
            .quotes = BytesEqual(low, high, '"')};
  }

  static std::uint32_t* WritePositions(std::uint64_t bits, std::uint32_t first,
                                       std::uint32_t* out) {
    return WritePositionsByEights(bits, first, out);
  }

  using Key = __m256i;

  static Key LoadKey(const TextKey& key) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(key.bytes));
  }
  static Key MakeKey(const char* text, std::size_t size) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text));
    return _mm256_or_si256(_mm256_and_si256(bytes, LoadKey(kKeyMasks.text[size])),
                           LoadKey(kKeyMasks.size[size]));
  }
  // Two rounds of AES take in all of the first half, and every fifth byte of the second.
  static std::uint64_t Hash(Key key) {
    __m128i mixed = _mm_aesenc_si128(_mm256_castsi256_si128(key), _mm256_extracti128_si256(key, 1));
    mixed = _mm_aesenc_si128(mixed, mixed);
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(mixed));
  }
  static bool IsEqual(Key key, const TextKey& known) {
    const __m256i difference = _mm256_xor_si256(key, LoadKey(known));
    return _mm256_testz_si256(difference, difference) != 0;
  }

  static constexpr std::size_t kNumDigitWords = 4;

  // Pairs, fours, then eights of digits. Returns a bit for each byte that is no digit.
  template <typename DigitsOf>
  static std::uint64_t AddUpDigits(const DigitsOf& digits_of, float* values) {
    const __m256i digits =
        _mm256_set_epi64x(digits_of(3), digits_of(2), digits_of(1), digits_of(0));
    const __m256i twos = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
    const __m256i fours = _mm256_madd_epi16(twos, _mm256_set1_epi32(0x00010064));
    const __m256i eights = _mm256_add_epi64(_mm256_mul_epu32(fours, _mm256_set1_epi64x(10000)),
                                            _mm256_srli_epi64(fours, 32));
    const __m256i together =
        _mm256_permutevar8x32_epi32(eights, _mm256_setr_epi32(0, 2, 4, 6, 0, 0, 0, 0));
    _mm_storeu_ps(values, _mm_cvtepi32_ps(_mm256_castsi256_si128(together)));
    const __m256i is_digit =
        _mm256_cmpeq_epi8(digits, _mm256_min_epu8(digits, _mm256_set1_epi8(9)));
    return static_cast<std::uint32_t>(~_mm256_movemask_epi8(is_digit));
  }

  static void ReadDigits(const FieldColumn& column, std::size_t num_rows, float* numbers,
                         bool* is_other) {
    internal::ReadDigits<Avx2>(column, num_rows, numbers, is_other);
  }
};

}  // namespace

const RowKernels kAvx2RowKernels = MakeKernels<Avx2>("avx2");

}  // namespace dime::records::internal
