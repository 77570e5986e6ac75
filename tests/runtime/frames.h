// tests/runtime/frames.h - what tests of frames send, and how long they wait for it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/net/channel.h"

namespace dime::net {

inline constexpr std::uint8_t kEcho = 20;  // The type of frames that a test's server sends back.

inline Deadline In(std::chrono::milliseconds time) { return Clock::now() + time; }

// Bytes none of which can be taken for one of another place.
inline std::vector<std::byte> Counting(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
  return bytes;
}

}  // namespace dime::net
