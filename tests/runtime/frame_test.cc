#include "runtime/net/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace dime::net {
namespace {

iovec TextPart(std::string& text) { return {text.data(), text.size()}; }

TEST(FrameTest, AHeaderIsReadBack) {
  std::string payload = "payload";
  const iovec part = TextPart(payload);
  const FrameHeader header = {.type = 17,
                              .flags = 0x8002,
                              .payload_bytes = 7,
                              .request_id = 0x0123456789abcdef,
                              .epoch = 3,
                              .incarnation = 0xfffffffe};
  const FrameHeaderBytes bytes = EncodeFrameHeader(header, {&part, 1});
  const auto decoded = DecodeFrameHeader(bytes, 7);
  ASSERT_OK(decoded);
  EXPECT_EQ(decoded->type, header.type);
  EXPECT_EQ(decoded->flags, header.flags);
  EXPECT_EQ(decoded->payload_bytes, header.payload_bytes);
  EXPECT_EQ(decoded->request_id, header.request_id);
  EXPECT_EQ(decoded->epoch, header.epoch);
  EXPECT_EQ(decoded->incarnation, header.incarnation);
  EXPECT_OK(CheckFrameSum(bytes, {&part, 1}));
}

TEST(FrameTest, EveryFlippedBitIsFound) {
  std::string payload = "the payload of a frame";
  const iovec part = TextPart(payload);
  const FrameHeaderBytes bytes = EncodeFrameHeader({.type = 17, .payload_bytes = 22}, {&part, 1});
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    FrameHeaderBytes damaged = bytes;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_TRUE(absl::IsDataLoss(CheckFrameSum(damaged, {&part, 1}))) << bit;
  }
  for (std::size_t bit = 0; bit < 8 * payload.size(); ++bit) {
    payload[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    EXPECT_TRUE(absl::IsDataLoss(CheckFrameSum(bytes, {&part, 1}))) << bit;
    payload[bit / 8] ^= static_cast<char>(1 << (bit % 8));
  }
}

TEST(FrameTest, AHeadersSumAloneLeavesThePayloadUnchecked) {
  std::string payload = "payload";
  const iovec part = TextPart(payload);
  const FrameHeaderBytes bytes =
      EncodeFrameHeader({.type = 17, .flags = kFlagHeaderSumOnly, .payload_bytes = 7}, {&part, 1});
  payload[0] = 'P';
  EXPECT_OK(CheckFrameSum(bytes, {&part, 1}));
}

TEST(FrameTest, WhatIsNoFrameIsRefused) {
  FrameHeaderBytes bytes = EncodeFrameHeader({.type = 17, .payload_bytes = 100}, {});
  EXPECT_TRUE(absl::IsResourceExhausted(DecodeFrameHeader(bytes, 99).status()));
  bytes[4] = std::byte{kWireVersion + 1};
  const absl::Status other_version = DecodeFrameHeader(bytes, 100).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(other_version));
  EXPECT_THAT(std::string(base::MessageOf(other_version)),
              ::testing::HasSubstr("this program version " + std::to_string(kWireVersion)));
  bytes[0] = std::byte{'G'};
  EXPECT_TRUE(absl::IsDataLoss(DecodeFrameHeader(bytes, 100).status()));
}

}  // namespace
}  // namespace dime::net
