#include "cli/restart_policy.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <vector>

#include "cli/exit_codes.h"

namespace dime::cli {
namespace {

using namespace std::chrono_literals;

constexpr int kKilled = 128 + SIGKILL;

TEST(RestartPolicyTest, PausesGrowUpToFiveSecondsAndTenRestartsAreEnough) {
  RestartPolicy policy;
  const RestartPolicy::Clock::time_point now;
  for (const auto pause : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5000ms, 5000ms, 5000ms}) {
    EXPECT_EQ(policy.OnEnd(kKilled, now), pause);
  }
  EXPECT_TRUE(policy.OnEnd(kKilled, now + 599s).has_value());
  EXPECT_FALSE(policy.OnEnd(kKilled, now + 599s).has_value());
}

TEST(RestartPolicyTest, RestartsOfLongAgoAreForgotten) {
  RestartPolicy policy;
  const RestartPolicy::Clock::time_point now;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(policy.OnEnd(kKilled, now).has_value());
  EXPECT_FALSE(policy.OnEnd(kKilled, now + 1s).has_value());
  EXPECT_EQ(policy.OnEnd(kKilled, now + 600s), 100ms);
}

TEST(RestartPolicyTest, WhatWouldFailInTheSameWayIsNotTriedAgain) {
  for (const int code : {kExitOk, kExitUsage, kExitData, kExitPermission, kExitConfig}) {
    EXPECT_FALSE(RestartPolicy().OnEnd(code, {}).has_value()) << code;
  }
  for (const int code : {kExitUnavailable, kExitBug, kExitIo, kExitStale}) {
    EXPECT_TRUE(RestartPolicy().OnEnd(code, {}).has_value()) << code;
  }
}

}  // namespace
}  // namespace dime::cli
