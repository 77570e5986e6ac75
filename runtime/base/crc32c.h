// runtime/base/crc32c.h - CRC-32C (Castagnoli) by the processor's instruction, and TensorFlow's
// masking of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dime::base {

// The CRC of what `crc` covered followed by `data`; start with 0. Crc32c("123456789") is
// 0xe3069283.
[[nodiscard]] std::uint32_t ExtendCrc32c(std::uint32_t crc, const void* data,
                                         std::size_t size_bytes);

[[nodiscard]] inline std::uint32_t Crc32c(std::string_view data) {
  return ExtendCrc32c(0, data.data(), data.size());
}

// TFRecord, LevelDB and tensor bundles store CRCs masked, so that a CRC of data that holds CRCs
// stays strong.
[[nodiscard]] constexpr std::uint32_t MaskCrc32c(std::uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}
[[nodiscard]] constexpr std::uint32_t UnmaskCrc32c(std::uint32_t masked) {
  const std::uint32_t rotated = masked - 0xa282ead8u;
  return (rotated >> 17) | (rotated << 15);
}

}  // namespace dime::base
