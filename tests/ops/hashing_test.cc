// Constants: computed with TensorFlow, or taken from its own tests (sparse_cross_op_test.py).
#include "ops/hashing.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ops/cpu/kernels.h"

namespace dime::ops {
namespace {

std::string Alphabet(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>('a' + i % 26);
  return text;
}

std::uint64_t Cross(std::initializer_list<std::uint64_t> values) {
  std::uint64_t hash = kDefaultCrossKey;
  for (const std::uint64_t value : values) hash = FingerprintCat(hash, value);
  return hash;
}

TEST(FingerprintTest, EqualsTensorFlowsAtEveryLengthClass) {
  EXPECT_EQ(Fingerprint64(""), 0x9ae16a3b2f90404fu);
  EXPECT_EQ(Fingerprint64("a"), 12917804110809363939u);
  EXPECT_EQ(Fingerprint64("b"), 11795596070477164822u);
  EXPECT_EQ(Fingerprint64("c"), 11430444447143000872u);
  EXPECT_EQ(Fingerprint64("d"), 4470636696479570465u);
  EXPECT_EQ(Fingerprint64(" ?"), 14556876015651412600u);
  EXPECT_EQ(Fingerprint64(" United-States"), 3163823603539284148u);
  EXPECT_EQ(Fingerprint64(" Machine-op-inspct"), 7521866091493122846u);
  EXPECT_EQ(Fingerprint64(Alphabet(16)), 0x54630bad7705cebdu);
  EXPECT_EQ(Fingerprint64(Alphabet(32)), 0xff96b8a54087359au);
  EXPECT_EQ(Fingerprint64(Alphabet(33)), 0x1bd257e2fc3da812u);
  EXPECT_EQ(Fingerprint64(Alphabet(64)), 0x9c4a595c23bb9bfau);
  EXPECT_EQ(Fingerprint64(Alphabet(65)), 0x2434d8917886fe2au);
}

TEST(FingerprintTest, NulBytesCount) {
  EXPECT_NE(Fingerprint64(std::string_view("a\0b", 3)), Fingerprint64("a"));
  EXPECT_NE(Fingerprint64(std::string_view("\0", 1)), Fingerprint64(""));
}

TEST(HashBucketTest, EqualsTensorFlowsForTheCensusOccupations) {
  constexpr std::pair<std::string_view, std::int64_t> kBuckets[] = {
      {" ?", 0},
      {" Exec-managerial", 4},
      {" Other-service", 22},
      {" Protective-serv", 36},
      {" Farming-fishing", 42},
      {" Prof-specialty", 42},
      {" Machine-op-inspct", 46},
      {" Adm-clerical", 49},
      {" Tech-support", 50},
      {" Transport-moving", 54},
      {" Armed-Forces", 65},
      {" Handlers-cleaners", 70},
      {" Craft-repair", 72},
      {" Sales", 74},
      {" Priv-house-serv", 83},
  };
  for (const auto& [value, bucket] : kBuckets) EXPECT_EQ(HashBucket(value, 100), bucket) << value;
}

TEST(HashBucketTest, EqualsTensorFlowsForShortAndEmptyStrings) {
  EXPECT_EQ(HashBucket("", 100), 63);
  EXPECT_EQ(HashBucket("a", 100), 39);
  EXPECT_EQ(HashBucket("b", 100), 22);
  EXPECT_EQ(HashBucket("c", 100), 72);
  EXPECT_EQ(HashBucket("d", 100), 65);
  EXPECT_EQ(HashBucket(" United-States", 100), 48);
  EXPECT_EQ(HashBucket(" South", 100), 48);
}

TEST(HashBucketTest, OneBucketTakesAll) { EXPECT_EQ(HashBucket("anything", 1), 0); }

TEST(HashBucketTest, TheRemainderIsUnsigned) {
  // The fingerprint of "a" is above 2^63: a signed remainder would be negative.
  EXPECT_EQ(HashBucket("a", 1'000'000'007),
            static_cast<std::int64_t>(12917804110809363939u % 1'000'000'007u));
}

TEST(FingerprintCatTest, EqualsTensorFlowsOwnTestOfSparseCross) {
  const std::uint64_t values[] = {Fingerprint64("batch1-FC1-F1"), Fingerprint64("batch1-FC2-F1"),
                                  Fingerprint64("batch1-FC3-F1")};
  const std::uint64_t hash = Cross({values[0], values[1], values[2]});
  EXPECT_EQ(hash % 100, 83u);
  EXPECT_EQ(hash % 0x7fffffffffffffffu, 1971693436396284976u);  // "Zero buckets".

  std::uint64_t other = kDefaultCrossKey + 1;
  for (const std::uint64_t value : values) other = FingerprintCat(other, value);
  EXPECT_EQ(other % 0x7fffffffffffffffu, 4847552627144134031u);
}

TEST(FingerprintCatTest, EqualsTensorFlowsForCrossesOfStrings) {
  const auto cross = [](std::string_view a, std::string_view b) {
    return Cross({Fingerprint64(a), Fingerprint64(b)}) % 10000;
  };
  EXPECT_EQ(cross(" 11th", " Machine-op-inspct"), 2155u);
  EXPECT_EQ(cross(" HS-grad", " Farming-fishing"), 3511u);
  EXPECT_EQ(cross(" United-States", " Machine-op-inspct"), 9933u);
  EXPECT_EQ(cross(" United-States", " Farming-fishing"), 519u);
}

TEST(FingerprintCatTest, EqualsTensorFlowsForCrossesWithIds) {
  const auto cross = [](std::int64_t age_bucket, std::int64_t race, std::string_view occupation) {
    return Cross({static_cast<std::uint64_t>(age_bucket), static_cast<std::uint64_t>(race),
                  Fingerprint64(occupation)}) %
           1'000'000;
  };
  EXPECT_EQ(cross(2, 2, " Machine-op-inspct"), 606053u);
  EXPECT_EQ(cross(4, 4, " Farming-fishing"), 814117u);
  EXPECT_EQ(cross(0, -1, " ?"), 753537u);
}

TEST(FingerprintCatTest, TheOrderOfColumnsMatters) { EXPECT_NE(Cross({1, 2}), Cross({2, 1})); }

TEST(FingerprintCatTest, ManyAtOnceGiveWhatEachGives) {
  std::mt19937_64 random(1);
  for (const cpu::KernelTable* kernels : cpu::SupportedKernels()) {
    for (std::size_t size = 0; size < 40; ++size) {
      std::vector<std::uint64_t> values(size);
      std::vector<std::uint64_t> hashes(size);
      std::vector<std::uint64_t> expected;
      for (std::size_t i = 0; i < size; ++i) {
        values[i] = random();
        hashes[i] = random();
        expected.push_back(FingerprintCat(hashes[i], values[i]));
      }
      kernels->cat_fingerprints(values.data(), static_cast<std::int64_t>(size), hashes.data());
      EXPECT_EQ(hashes, expected) << kernels->name;
    }
  }
}

TEST(ModulusTest, GivesTheRemainderOfADivision) {
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> divisors = {1, 2, 3, 5, 6, 7, 100, 10000, 1000000, ~std::uint64_t{0}};
  for (int bits = 2; bits < 64; ++bits) {
    for (const std::uint64_t near : {-1, 0, 1})
      divisors.push_back((std::uint64_t{1} << bits) + near);
    for (int i = 0; i < 20; ++i) divisors.push_back(2 + (random() >> (64 - bits)));
  }
  for (const std::uint64_t divisor : divisors) {
    const Modulus modulus(divisor);
    std::vector<std::uint64_t> values = {0, 1, ~std::uint64_t{0}};
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t multiple = divisor * (random() % (~std::uint64_t{0} / divisor));
      values.insert(values.end(), {random(), random() >> random() % 64, multiple - 1, multiple,
                                   multiple + 1, ~std::uint64_t{0} / divisor * divisor});
    }
    for (const std::uint64_t value : values) {
      ASSERT_EQ(modulus(value), value % divisor) << value << " % " << divisor;
    }
  }
}

}  // namespace
}  // namespace dime::ops
