// tests/ps/server_frames.h - for tests that speak to a server frame by frame.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "runtime/net/frame_server.h"

namespace dime::ps {

using Bytes = std::vector<std::byte>;

inline constexpr net::ConnectionId kMaster = 10;

template <typename T>
void Append(const T& value, Bytes* bytes) {
  const auto view = std::as_bytes(std::span(&value, 1));
  bytes->insert(bytes->end(), view.begin(), view.end());
}

}  // namespace dime::ps
