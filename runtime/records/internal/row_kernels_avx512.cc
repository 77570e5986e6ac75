// For processors with AVX-512 as Ice Lake and Zen 4 have it: a block is one register, and the
// positions of its bits are compressed 16 at a time.
#include <immintrin.h>

#include "runtime/records/internal/row_kernels.h"

namespace dime::records::internal {
namespace {

#include "runtime/records/internal/row_kernels_impl.h"

struct alignas(64) Counting {
  std::uint8_t bytes[kScanBytes] = {};
  constexpr Counting() {
    for (std::uint8_t i = 0; i < kScanBytes; ++i) bytes[i] = i;
  }
};
constexpr Counting kCounting;

struct Avx512 {
  static Structure Find(const char* block, char separator) {
    const __m512i bytes = _mm512_loadu_si512(block);
    const std::uint64_t line_feeds = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n'));
    return {.field_ends = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(separator)) | line_feeds,
            .line_feeds = line_feeds,
            .quotes = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"'))};
  }

  static std::uint32_t* WritePositions(std::uint64_t bits, std::uint32_t first,
                                       std::uint32_t* out) {
    const __m512i positions = _mm512_maskz_compress_epi8(bits, _mm512_load_si512(kCounting.bytes));
    const int count = __builtin_popcountll(bits);
    const auto write = [&](__m128i bytes, int begin) {
      const __m512i words = _mm512_cvtepu8_epi32(bytes);
      _mm512_storeu_si512(out + begin,
                          _mm512_add_epi32(words, _mm512_set1_epi32(static_cast<int>(first))));
    };
    write(_mm512_castsi512_si128(positions), 0);
    if (count > 16) {
      write(_mm512_extracti32x4_epi32(positions, 1), 16);
      write(_mm512_extracti32x4_epi32(positions, 2), 32);
      write(_mm512_extracti32x4_epi32(positions, 3), 48);
    }
    return out + count;
  }

  using Key = __m256i;

  static Key LoadKey(const TextKey& key) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(key.bytes));
  }
  static Key MakeKey(const char* text, std::size_t size) {
    const __mmask32 is_text = _bzhi_u32(~0u, static_cast<unsigned>(size));
    return _mm256_mask_loadu_epi8(LoadKey(kKeyMasks.size[size]), is_text, text);
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

  static constexpr std::size_t kNumDigitWords = 8;

  // Pairs, fours, then eights of digits. Returns a bit for each byte that is no digit.
  template <typename DigitsOf>
  static std::uint64_t AddUpDigits(const DigitsOf& digits_of, float* values) {
    const __m512i digits = _mm512_set_epi64(digits_of(7), digits_of(6), digits_of(5), digits_of(4),
                                            digits_of(3), digits_of(2), digits_of(1), digits_of(0));
    const __m512i twos = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010a));
    const __m512i fours = _mm512_madd_epi16(twos, _mm512_set1_epi32(0x00010064));
    const __m512i eights = _mm512_add_epi64(_mm512_mul_epu32(fours, _mm512_set1_epi64(10000)),
                                            _mm512_srli_epi64(fours, 32));
    _mm256_storeu_ps(values, _mm256_cvtepi32_ps(_mm512_cvtepi64_epi32(eights)));
    return _mm512_cmpgt_epu8_mask(digits, _mm512_set1_epi8(9));
  }

  static void ReadDigits(const FieldColumn& column, std::size_t num_rows, float* numbers,
                         bool* is_other) {
    internal::ReadDigits<Avx512>(column, num_rows, numbers, is_other);
  }
};

}  // namespace

const RowKernels kAvx512RowKernels = MakeKernels<Avx512>("avx512");

}  // namespace dime::records::internal
