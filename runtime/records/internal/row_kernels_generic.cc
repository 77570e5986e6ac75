// For any processor; those of x86-64 have at least SSE2.
#include <bit>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "runtime/records/internal/row_kernels.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace dime::records::internal {
namespace {

#include "runtime/records/internal/row_kernels_impl.h"

struct Generic {
#if defined(__SSE2__)
  static std::uint64_t BytesEqual(const __m128i (&bytes)[4], char c) {
    const __m128i wanted = _mm_set1_epi8(c);
    std::uint64_t found = 0;
    for (int i = 0; i < 4; ++i) {
      const int bits = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes[i], wanted));
      found |= static_cast<std::uint64_t>(bits) << (16 * i);
    }
    return found;
  }

  static Structure Find(const char* block, char separator) {
    __m128i bytes[4];
    for (int i = 0; i < 4; ++i) {
      bytes[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * i));
    }
    const std::uint64_t line_feeds = BytesEqual(bytes, '\n');
    return {.field_ends = BytesEqual(bytes, separator) | line_feeds,
            .line_feeds = line_feeds,
            .quotes = BytesEqual(bytes, '"')};
  }
#else
  static Structure Find(const char* block, char separator) {
    Structure found;
    for (std::size_t i = 0; i < kScanBytes; ++i) {
      const std::uint64_t bit = std::uint64_t{1} << i;
      if (block[i] == separator || block[i] == '\n') found.field_ends |= bit;
      if (block[i] == '\n') found.line_feeds |= bit;
      if (block[i] == '"') found.quotes |= bit;
    }
    return found;
  }
#endif

  static std::uint32_t* WritePositions(std::uint64_t bits, std::uint32_t first,
                                       std::uint32_t* out) {
    return WritePositionsByEights(bits, first, out);
  }

  struct Key {
    std::uint64_t words[4];
  };

  static std::uint64_t LoadWord(const char* bytes, std::size_t i) {
    std::uint64_t word = 0;
    __builtin_memcpy(&word, bytes + 8 * i, sizeof(word));
    return word;
  }
  static Key MakeKey(const char* text, std::size_t size) {
    Key key;
    for (std::size_t i = 0; i < 4; ++i) {
      key.words[i] = (LoadWord(text, i) & LoadWord(kKeyMasks.text[size].bytes, i)) |
                     LoadWord(kKeyMasks.size[size].bytes, i);
    }
    return key;
  }
  static std::uint64_t Hash(const Key& key) {
    const std::uint64_t mixed = key.words[0] + key.words[1] * 0x9e3779b97f4a7c15 +
                                key.words[2] * 0xc2b2ae3d27d4eb4f +
                                key.words[3] * 0x165667b19e3779f9;
    return ((mixed ^ mixed >> 32) * 0xff51afd7ed558ccd) >> 40;
  }
  static bool IsEqual(const Key& key, const TextKey& known) {
    std::uint64_t difference = 0;
    for (std::size_t i = 0; i < 4; ++i) difference |= key.words[i] ^ LoadWord(known.bytes, i);
    return difference == 0;
  }

  static void ReadDigits(const FieldColumn& column, std::size_t num_rows, float* numbers,
                         bool* is_other) {
    if constexpr (std::endian::native == std::endian::little) {
      return ReadDigitsOneByOne(column, 0, num_rows, numbers, is_other);
    }
    for (std::size_t row = 0; row < num_rows; ++row) is_other[row] = true;
  }
};

std::vector<const RowKernels*> FindSupported() {
  std::vector<const RowKernels*> kernels;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("aes") &&
                        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                        __builtin_cpu_supports("popcnt");
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512vbmi2");
  if (has_avx2 && has_avx512) kernels.push_back(&kAvx512RowKernels);
  if (has_avx2) kernels.push_back(&kAvx2RowKernels);
#endif
  kernels.push_back(&kGenericRowKernels);
  return kernels;
}

// The best, or those that are `wanted` by name, as ops/dense.cc chooses its kernels.
const RowKernels& Choose(const char* wanted) {
  for (const RowKernels* kernels : SupportedRowKernels()) {
    if (wanted != nullptr && std::string_view(wanted) == kernels->name) return *kernels;
  }
  return *SupportedRowKernels().front();
}

}  // namespace

const RowKernels kGenericRowKernels = MakeKernels<Generic>("generic");

std::span<const RowKernels* const> SupportedRowKernels() {
  static const std::vector<const RowKernels*> kernels = FindSupported();
  return kernels;
}

const RowKernels& BestRowKernels() {
  static const RowKernels& best = Choose(std::getenv("DIME_CPU_KERNELS"));
  return best;
}

}  // namespace dime::records::internal
