// A coordinator that is sent any sequence of messages, by replicas of any name, answers or refuses
// each and stays whole; and a member takes any answer for what it is, or refuses it.
//
// Input: messages, each a connection, a type, a length of two bytes, and so much payload.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/base/check.h"
#include "worker/coordination/coordinator.h"

using dime::worker::Coordinator;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kConnections = 8;
  constexpr std::size_t kHeader = 4;
  Coordinator coordinator(
      {.counts = {.workers = 2, .parameter_servers = 1}, .job = "job", .host = "host"},
      [](auto, const auto&, auto) {});
  for (std::uint64_t c = 0; c < kConnections; ++c) {
    coordinator.OnConnected(
        c, {.role = static_cast<std::uint32_t>(c / 2), .index = static_cast<std::uint32_t>(c % 2)});
  }
  for (std::size_t at = 0; at + kHeader <= size;) {
    const std::uint64_t connection = data[at] % kConnections;
    const auto type = static_cast<std::uint8_t>(64 + data[at + 1] % 40);
    const std::size_t bytes =
        std::min<std::size_t>(data[at + 2] | data[at + 3] << 8, size - at - kHeader);
    const auto payload = std::as_bytes(std::span(data + at + kHeader, bytes));
    const std::string_view text(reinterpret_cast<const char*>(payload.data()), bytes);
    (void)dime::worker::DecodePeerAddresses(text);
    (void)dime::worker::DecodeJobStart(text);
    if (!coordinator.OnFrame(connection, {.type = type}, payload).ok()) {
      coordinator.OnClosed(connection);
      coordinator.OnConnected(connection, {.role = 1});
    }
    coordinator.OnTick();
    at += kHeader + bytes;
  }
  coordinator.End(absl::OkStatus());
  DIME_CHECK(coordinator.has_ended());
  return 0;
}
