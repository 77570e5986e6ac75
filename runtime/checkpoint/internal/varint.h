// runtime/checkpoint/internal/varint.h - base-128 numbers, lowest seven bits first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dime::checkpoint::internal {

// Takes a number off the front of `bytes`. False when there is none.
inline bool TakeVarint(std::string_view* bytes, std::uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes->front());
    bytes->remove_prefix(1);
    *value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

inline void AppendVarint(std::uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

}  // namespace dime::checkpoint::internal
