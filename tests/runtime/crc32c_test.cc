#include "runtime/base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

#include "runtime/base/internal/crc32c_portable.h"

namespace dime::base {
namespace {

std::string Counting(std::size_t size) {
  std::string data(size, '\0');
  for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<char>(i * 131 + 7);
  return data;
}

TEST(Crc32cTest, GivesThePublishedValues) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);    // RFC 3720, B.4.
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);  // Likewise.
}

TEST(Crc32cTest, EverySplitOfTheDataGivesTheSameValue) {
  const std::string data = Counting(67);
  for (std::size_t split = 0; split <= data.size(); ++split) {
    const std::uint32_t first = ExtendCrc32c(0, data.data(), split);
    EXPECT_EQ(ExtendCrc32c(first, data.data() + split, data.size() - split), Crc32c(data)) << split;
  }
}

TEST(Crc32cTest, TheInstructionAndTheTableAgreeAtEverySizeAndAlignment) {
  const std::string data = Counting(300);
  for (std::size_t start = 0; start < 9; ++start) {
    for (std::size_t size = 0; start + size <= data.size(); ++size) {
      ASSERT_EQ(ExtendCrc32c(5, data.data() + start, size),
                internal::ExtendCrc32cPortable(5, data.data() + start, size))
          << "start " << start << ", size " << size;
    }
  }
}

// Long data are taken in several streams.
TEST(Crc32cTest, TheInstructionAndTheTableAgreeOnLongData) {
  std::string data = Counting(100'003);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] ^= static_cast<char>(i * i >> 9);
  for (const std::size_t around : {1024, 2048, 3072, 6144, 9216, 30720, 99'990}) {
    for (std::size_t size = around - 9; size <= around + 9; ++size) {
      for (const std::size_t start : {0, 1, 3}) {
        ASSERT_EQ(ExtendCrc32c(0x12345678, data.data() + start, size),
                  internal::ExtendCrc32cPortable(0x12345678, data.data() + start, size))
            << "start " << start << ", size " << size;
      }
    }
  }
}

TEST(Crc32cTest, MaskingIsUndoneByUnmasking) {
  EXPECT_EQ(MaskCrc32c(0), 0xa282ead8u);
  for (const std::uint32_t crc : {0u, 1u, 0x7fffffffu, 0x80000000u, 0xe3069283u, 0xffffffffu}) {
    EXPECT_EQ(UnmaskCrc32c(MaskCrc32c(crc)), crc);
    EXPECT_NE(MaskCrc32c(crc), crc);
  }
}

}  // namespace
}  // namespace dime::base
