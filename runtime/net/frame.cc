#include "runtime/net/frame.h"

#include <cstring>

#include "runtime/base/crc32c.h"

namespace dime::net {
namespace {

constexpr std::uint32_t kMagic = 0x656d6964;  // "dime".

// Where the fields lie; all little-endian.
constexpr std::size_t kMagicAt = 0;
constexpr std::size_t kVersionAt = 4;
constexpr std::size_t kTypeAt = 5;
constexpr std::size_t kFlagsAt = 6;
constexpr std::size_t kPayloadBytesAt = 8;
constexpr std::size_t kEpochAt = 12;
constexpr std::size_t kRequestIdAt = 16;
constexpr std::size_t kIncarnationAt = 24;
constexpr std::size_t kSumAt = 28;

template <typename T>
T Get(std::span<const std::byte, kFrameHeaderBytes> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

template <typename T>
void Put(T value, std::size_t at, FrameHeaderBytes& bytes) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
}

std::uint32_t SumOf(std::span<const std::byte, kFrameHeaderBytes> header, std::uint16_t flags,
                    std::span<const iovec> payload) {
  std::uint32_t sum = base::ExtendCrc32c(0, header.data(), kSumAt);
  if ((flags & kFlagHeaderSumOnly) != 0) return sum;
  for (const iovec& part : payload) sum = base::ExtendCrc32c(sum, part.iov_base, part.iov_len);
  return sum;
}

}  // namespace

std::size_t SizeOf(std::span<const iovec> parts) {
  std::size_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  return size;
}

FrameHeaderBytes EncodeFrameHeader(const FrameHeader& header, std::span<const iovec> payload) {
  FrameHeaderBytes bytes;
  Put(kMagic, kMagicAt, bytes);
  Put(kWireVersion, kVersionAt, bytes);
  Put(header.type, kTypeAt, bytes);
  Put(header.flags, kFlagsAt, bytes);
  Put(header.payload_bytes, kPayloadBytesAt, bytes);
  Put(header.epoch, kEpochAt, bytes);
  Put(header.request_id, kRequestIdAt, bytes);
  Put(header.incarnation, kIncarnationAt, bytes);
  Put(SumOf(bytes, header.flags, payload), kSumAt, bytes);
  return bytes;
}

absl::StatusOr<FrameHeader> DecodeFrameHeader(std::span<const std::byte, kFrameHeaderBytes> bytes,
                                              std::uint32_t max_payload_bytes) {
  if (Get<std::uint32_t>(bytes, kMagicAt) != kMagic) {
    return base::DataLoss("the peer does not speak dime's protocol");
  }
  if (const auto version = Get<std::uint8_t>(bytes, kVersionAt); version != kWireVersion) {
    return base::FailedPrecondition(
        "the peer speaks version {} of the protocol, this program version {}: run the same version "
        "of dime on all hosts",
        version, kWireVersion);
  }
  FrameHeader header;
  header.type = Get<std::uint8_t>(bytes, kTypeAt);
  header.flags = Get<std::uint16_t>(bytes, kFlagsAt);
  header.payload_bytes = Get<std::uint32_t>(bytes, kPayloadBytesAt);
  header.epoch = Get<std::uint32_t>(bytes, kEpochAt);
  header.request_id = Get<std::uint64_t>(bytes, kRequestIdAt);
  header.incarnation = Get<std::uint32_t>(bytes, kIncarnationAt);
  if (header.payload_bytes > max_payload_bytes) {
    return base::ResourceExhausted("a message of {} bytes is announced; {} are allowed",
                                   header.payload_bytes, max_payload_bytes);
  }
  return header;
}

absl::Status CheckFrameSum(std::span<const std::byte, kFrameHeaderBytes> header,
                           std::span<const iovec> payload) {
  const auto flags = Get<std::uint16_t>(header, kFlagsAt);
  if (SumOf(header, flags, payload) == Get<std::uint32_t>(header, kSumAt)) return absl::OkStatus();
  return base::DataLoss("a message was damaged on its way: its checksum does not match");
}

}  // namespace dime::net
