#include "runtime/base/secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

namespace dime::base {
namespace {

std::string Hex(const Mac& mac) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte b : mac) {
    text += kDigits[std::to_integer<unsigned>(b) >> 4];
    text += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

// RFC 4231, test cases 1, 2 and 6.
TEST(HmacSha256Test, GivesTheVectorsOfItsRfc) {
  EXPECT_EQ(Hex(HmacSha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(Hex(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(Hex(HmacSha256(std::string(131, '\xaa'),
                           "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

// RFC 5869, the first 32 bytes of test case 1.
TEST(HkdfSha256Test, GivesTheVectorOfItsRfc) {
  std::string salt;
  for (char c = 0; c <= 12; ++c) salt += c;
  std::string info;
  for (int c = 0xf0; c <= 0xf9; ++c) info += static_cast<char>(c);
  EXPECT_EQ(Hex(HkdfSha256(std::string(22, '\x0b'), salt, info)),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}

// Where an address lies in memory, and with which flags: a paragraph of /proc/self/smaps.
std::string MappingOf(const void* data) {
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  std::ifstream smaps("/proc/self/smaps");
  std::string mapping;
  for (std::string line; std::getline(smaps, line);) {
    std::uintptr_t first = 0;
    std::uintptr_t end = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &first, &end) == 2) {
      if (!mapping.empty()) break;
      if (address < first || address >= end) continue;
      mapping = line;
    }
    if (!mapping.empty()) mapping += "\n" + line;
  }
  return mapping;
}

TEST(SecretTest, CopiesShareMemoryThatCoreDumpsLeaveOut) {
  const Secret secret("a secret of the job's");
  const Secret copy = secret;  // NOLINT: that is the point.
  EXPECT_EQ(copy.bytes(), "a secret of the job's");
  EXPECT_EQ(copy.bytes().data(), secret.bytes().data());
  const std::string mapping = MappingOf(secret.bytes().data());
  const std::size_t flags = mapping.find("VmFlags:");
  ASSERT_NE(flags, std::string::npos) << mapping;
  EXPECT_THAT(mapping.substr(flags), ::testing::HasSubstr(" dd"));
}

TEST(SecretTest, AnEmptyOneHasNoBytes) {
  EXPECT_TRUE(Secret().empty());
  EXPECT_TRUE(Secret("").empty());
  EXPECT_EQ(Secret(std::string(10'000, 'x')).bytes(), std::string(10'000, 'x'));
}

TEST(SameMacTest, OneBitMakesADifference) {
  const Mac mac = HmacSha256("key", "data");
  EXPECT_TRUE(SameMac(mac, HmacSha256("key", "data")));
  for (std::size_t i = 0; i < mac.size(); ++i) {
    Mac other = mac;
    other[i] ^= std::byte{1};
    EXPECT_FALSE(SameMac(mac, other)) << i;
  }
}

TEST(FillRandomTest, DrawsDiffer) {
  std::array<std::byte, 16> a{};
  std::array<std::byte, 16> b{};
  FillRandom(a);
  FillRandom(b);
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace dime::base
