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
// The instruction takes one word a cycle but answers after three: long data are taken in three
// streams of so many bytes each, whose states are joined.
constexpr std::size_t kStreamBytes = 1024;

__attribute__((target("sse4.2"))) inline std::uint64_t TakeWord(std::uint64_t state,
                                                                const unsigned char* bytes) {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return _mm_crc32_u64(state, word);
}

// What a state becomes after kStreamBytes zeros: a linear function of its bits, as the sum of one
// table's entry for each of its bytes.
class ZeroStream {
 public:
  __attribute__((target("sse4.2"))) ZeroStream() {
    for (unsigned bit = 0; bit < 32; ++bit) {
      std::uint64_t state = std::uint64_t{1} << bit;
      for (std::size_t i = 0; i < kStreamBytes; i += sizeof(std::uint64_t)) {
        state = _mm_crc32_u64(state, 0);
      }
      auto& table = tables_[bit / 8];
      const std::size_t value = std::size_t{1} << (bit % 8);
      for (std::size_t i = 0; i < value; ++i) {
        table[value + i] = table[i] ^ static_cast<std::uint32_t>(state);
      }
    }
  }

  [[nodiscard]] std::uint32_t After(std::uint32_t state) const {
    return tables_[0][state & 0xff] ^ tables_[1][(state >> 8) & 0xff] ^
           tables_[2][(state >> 16) & 0xff] ^ tables_[3][state >> 24];
  }

 private:
  std::array<std::array<std::uint32_t, 256>, 4> tables_{};
};

__attribute__((target("sse4.2"))) std::uint32_t ExtendSse42(std::uint32_t crc, const void* data,
                                                            std::size_t size_bytes) {
  static const ZeroStream zeros;
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::uint64_t state = ~crc;
  for (; size_bytes >= 3 * kStreamBytes; size_bytes -= 3 * kStreamBytes) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < kStreamBytes; i += sizeof(std::uint64_t)) {
      state = TakeWord(state, bytes + i);
      second = TakeWord(second, bytes + kStreamBytes + i);
      third = TakeWord(third, bytes + 2 * kStreamBytes + i);
    }
    const std::uint32_t both =
        zeros.After(static_cast<std::uint32_t>(state)) ^ static_cast<std::uint32_t>(second);
    state = zeros.After(both) ^ static_cast<std::uint32_t>(third);
    bytes += 3 * kStreamBytes;
  }
  for (; size_bytes >= sizeof(std::uint64_t); size_bytes -= sizeof(std::uint64_t)) {
    state = TakeWord(state, bytes);
    bytes += sizeof(std::uint64_t);
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
