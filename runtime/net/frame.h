// runtime/net/frame.h - how messages are told apart on a connection: 32 bytes in front of each.
//
// ps/WIRE.md has the bytes. What a message means is its type's business, not this file's.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <span>

#include "runtime/base/status.h"

namespace dime::net {

// Of frames, of the handshake, and of every message: whatever peers of two builds could take for
// something else makes the next one.
inline constexpr std::uint8_t kWireVersion = 2;
inline constexpr std::size_t kFrameHeaderBytes = 32;

struct FrameHeader {
  std::uint8_t type = 0;
  std::uint16_t flags = 0;
  std::uint32_t payload_bytes = 0;
  std::uint64_t request_id = 0;   // An answer has that of its request.
  std::uint32_t epoch = 0;        // Which master rules the job.
  std::uint32_t incarnation = 0;  // Which start of the sending replica this is.
};

// The sum covers the header alone: for peers of one host, whose kernel loses no bits.
inline constexpr std::uint16_t kFlagHeaderSumOnly = 1;
// Another frame of the same answer follows.
inline constexpr std::uint16_t kFlagMore = 2;

using FrameHeaderBytes = std::array<std::byte, kFrameHeaderBytes>;

// `payload`: what follows, in parts; header.payload_bytes is their size.
[[nodiscard]] FrameHeaderBytes EncodeFrameHeader(const FrameHeader& header,
                                                 std::span<const iovec> payload);

// Checks magic and version, and the length against `max_payload_bytes`, before anybody takes memory
// for it. kDataLoss: this is no frame of ours; kFailedPrecondition: it has another version;
// kResourceExhausted: it is too long.
absl::StatusOr<FrameHeader> DecodeFrameHeader(std::span<const std::byte, kFrameHeaderBytes> bytes,
                                              std::uint32_t max_payload_bytes);

// kDataLoss when the sum in `header` is not that of header and payload.
absl::Status CheckFrameSum(std::span<const std::byte, kFrameHeaderBytes> header,
                           std::span<const iovec> payload);

// A part of a payload, where it lies. It is not written to, whatever iovec's type says.
[[nodiscard]] inline iovec PartOf(const void* data, std::size_t size) {
  return {const_cast<void*>(data), size};
}

template <std::ranges::contiguous_range Values>
[[nodiscard]] iovec PartOf(const Values& values) {
  return PartOf(std::ranges::data(values),
                std::ranges::size(values) * sizeof(std::ranges::range_value_t<Values>));
}

[[nodiscard]] std::size_t SizeOf(std::span<const iovec> parts);

}  // namespace dime::net
