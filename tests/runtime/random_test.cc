#include "runtime/base/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

namespace dime::base {
namespace {

using ::testing::ElementsAre;

// From Random123's kat_vectors, "philox4x32 10".
TEST(PhiloxTest, GivesThePublishedVectors) {
  EXPECT_THAT(Philox(0, 0, 0), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(Philox(~0ull, ~0ull, ~0ull),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(Philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(RandomStreamTest, EqualNamesGiveEqualNumbers) {
  RandomStream a(7, "shuffle", 3);
  RandomStream b(7, "shuffle", 3);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.NextUint64(), b.NextUint64());
}

TEST(RandomStreamTest, EveryPartOfTheNameMatters) {
  const auto first = [](std::uint64_t seed, const std::string& purpose, std::uint64_t index) {
    return RandomStream(seed, purpose, index).NextUint64();
  };
  std::set<std::uint64_t> firsts;
  int names = 0;
  for (const std::uint64_t seed : {0ull, 1ull, 1ull << 63}) {
    for (const std::string& purpose :
         {std::string(), std::string("a"), std::string("a\0", 2), std::string("b"),
          std::string("12345678"), std::string("123456781"), std::string("123456789")}) {
      for (const std::uint64_t index : {0ull, 1ull, 1ull << 40}) {
        firsts.insert(first(seed, purpose, index));
        ++names;
      }
    }
  }
  EXPECT_EQ(firsts.size(), static_cast<std::size_t>(names));
}

// A change of these numbers changes every initial weight and shuffle.
TEST(RandomStreamTest, TheNumbersOfANameNeverChange) {
  RandomStream stream(1, "weights", 2);
  EXPECT_THAT((std::vector{stream.NextUint32(), stream.NextUint32(), stream.NextUint32()}),
              ElementsAre(2453821024u, 270102152u, 811980850u));
}

TEST(RandomStreamTest, BelowReachesEveryValueAboutEquallyOften) {
  constexpr int kDraws = 60'000;
  RandomStream stream(1, "dice");
  std::vector<int> counts(6);
  for (int i = 0; i < kDraws; ++i) ++counts.at(stream.NextBelow(6));
  // Six standard deviations of a count: sqrt(n p (1 - p)) is 91.
  for (const int count : counts) EXPECT_NEAR(count, kDraws / 6, 550);
}

TEST(RandomStreamTest, BelowStaysInRangeAtTheEdges) {
  RandomStream stream(1, "edges");
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(stream.NextBelow(1), 0u);
    EXPECT_LT(stream.NextBelow((1ull << 63) + 1), (1ull << 63) + 1);  // Half the draws are refused.
  }
}

TEST(RandomStreamTest, UniformIsInRangeWithTheRightMean) {
  constexpr int kDraws = 100'000;
  RandomStream stream(1, "uniform");
  double sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const float value = stream.NextUniform();
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    sum += value;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.006);  // Six standard deviations of the mean.
}

TEST(RandomStreamTest, NormalHasTheRightMoments) {
  constexpr int kDraws = 100'000;
  RandomStream stream(1, "normal");
  double sum = 0;
  double sum_squares = 0;
  int beyond_two = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = stream.NextNormal();
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    sum_squares += value * value;
    beyond_two += std::abs(value) > 2;
  }
  // Six standard deviations each.
  EXPECT_NEAR(sum / kDraws, 0, 0.019);
  EXPECT_NEAR(sum_squares / kDraws, 1, 0.027);
  EXPECT_NEAR(beyond_two / double{kDraws}, 0.0455, 0.004);
}

}  // namespace
}  // namespace dime::base
