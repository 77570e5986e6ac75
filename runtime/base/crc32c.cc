#include "runtime/base/crc32c.h"

#include <array>
#include <cstring>

#include "runtime/base/internal/crc32c_portable.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace dime::base {
namespace {

using ExtendFunction = std::uint32_t (*)(std::uint32_t, const void*, std::size_t);

constexpr std::array<std::uint32_t, 256> MakeTable() {
  constexpr std::uint32_t kReversedPolynomial = 0x82f63b78u;
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kReversedPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t ExtendSse42(std::uint32_t crc, const void* data,
                                                            std::size_t size_bytes) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::uint64_t state = ~crc;
  for (; size_bytes >= sizeof(std::uint64_t); size_bytes -= sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof(word));
    state = _mm_crc32_u64(state, word);
    bytes += sizeof(word);
  }
  auto tail = static_cast<std::uint32_t>(state);
  for (; size_bytes > 0; --size_bytes) tail = _mm_crc32_u8(tail, *bytes++);
  return ~tail;
}
#endif

ExtendFunction FastestExtend() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ExtendSse42;
#endif
  return internal::ExtendCrc32cPortable;
}

}  // namespace

namespace internal {

std::uint32_t ExtendCrc32cPortable(std::uint32_t crc, const void* data, std::size_t size_bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = MakeTable();
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::uint32_t state = ~crc;
  for (std::size_t i = 0; i < size_bytes; ++i) {
    state = (state >> 8) ^ kTable[(state ^ bytes[i]) & 0xff];
  }
  return ~state;
}

}  // namespace internal

std::uint32_t ExtendCrc32c(std::uint32_t crc, const void* data, std::size_t size_bytes) {
  static const ExtendFunction extend = FastestExtend();
  return extend(crc, data, size_bytes);
}

}  // namespace dime::base
