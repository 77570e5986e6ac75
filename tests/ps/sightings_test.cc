#include "ps/internal/sightings.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace dime::ps::internal {
namespace {

constexpr std::uint64_t kId = std::uint64_t{1} << 16;  // Hashes whose lower bits are alike.

TEST(SightingsTest, CountsAnId) {
  std::vector<std::uint64_t> memory(8);
  Sightings sightings(memory);
  EXPECT_EQ(sightings.Count(1 * kId), 1U);
  EXPECT_EQ(sightings.Count(2 * kId), 1U);
  EXPECT_EQ(sightings.Count(1 * kId), 2U);
  EXPECT_EQ(sightings.Count(1 * kId), 3U);
  EXPECT_EQ(sightings.Count(2 * kId), 2U);
}

TEST(SightingsTest, AnIdIsForgottenAfterEightOthersOfItsSetAndNoSooner) {
  std::vector<std::uint64_t> memory(8);
  Sightings sightings(memory);
  sightings.Count(1 * kId);
  for (std::uint64_t other = 2; other <= 8; ++other) sightings.Count(other * kId);
  EXPECT_EQ(sightings.Count(1 * kId), 2U);
  for (std::uint64_t other = 2; other <= 9; ++other) sightings.Count(other * kId);
  EXPECT_EQ(sightings.Count(1 * kId), 1U);
}

TEST(SightingsTest, WhatWasForgottenLeavesTheOthersAsTheyAre) {
  std::vector<std::uint64_t> memory(8);
  Sightings sightings(memory);
  sightings.Count(1 * kId);
  sightings.Count(2 * kId);
  sightings.Count(1 * kId);
  sightings.Forget(1 * kId);
  EXPECT_EQ(sightings.Count(2 * kId), 2U);
  EXPECT_EQ(sightings.Count(1 * kId), 1U);
}

TEST(SightingsTest, SetsDoNotDisturbEachOther) {
  std::vector<std::uint64_t> memory(16);
  Sightings sightings(memory);
  sightings.Count(1 * kId + 1);
  for (std::uint64_t other = 1; other <= 20; ++other) sightings.Count(other * kId);
  EXPECT_EQ(sightings.Count(1 * kId + 1), 2U);
}

TEST(SightingsTest, CountsNoFurtherThanItCan) {
  std::vector<std::uint64_t> memory(8);
  Sightings sightings(memory);
  for (std::uint64_t i = 0; i < Sightings::kMostCounted + 5; ++i) sightings.Count(3 * kId);
  EXPECT_EQ(sightings.Count(3 * kId), Sightings::kMostCounted);
}

}  // namespace
}  // namespace dime::ps::internal
