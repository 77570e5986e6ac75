// runtime/base/internal/crc32c_portable.h - CRC-32C without the instruction: for processors that
// lack it, and to check the fast one against.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dime::base::internal {

// As ExtendCrc32c() in runtime/base/crc32c.h, one table look-up a byte.
[[nodiscard]] std::uint32_t ExtendCrc32cPortable(std::uint32_t crc, const void* data,
                                                 std::size_t size_bytes);

}  // namespace dime::base::internal
