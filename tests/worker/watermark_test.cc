#include "worker/input/watermark.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace dime::worker {
namespace {

constexpr std::chrono::nanoseconds kNoSpin{0};
constexpr std::chrono::microseconds kSpin{20};

TEST(WatermarkTest, WhatWasReachedIsNotWaitedFor) {
  Watermark mark;
  mark.WaitFor(0, kNoSpin);
  mark.Raise(5);
  mark.WaitFor(3, kNoSpin);
  mark.WaitFor(5, kSpin);
  EXPECT_EQ(mark.value(), 5);
}

TEST(WatermarkTest, RaisingToTheEndWakesAnySleeper) {
  Watermark mark;
  std::thread sleeper([&] { mark.WaitFor(Watermark::kMax, kNoSpin); });
  mark.Raise(Watermark::kMax);
  sleeper.join();
}

// Two threads hand a plain array to and fro: a lost wake-up hangs, a missing order shows as a wrong
// sum (and under the thread sanitizer as a race).
void PingPong(std::chrono::nanoseconds spin) {
  constexpr std::int64_t kRounds = 5000;
  Watermark asked;
  Watermark answered;
  std::int64_t question = 0;
  std::int64_t answer = 0;
  std::thread other([&] {
    for (std::int64_t round = 1; round <= kRounds; ++round) {
      asked.WaitFor(round, spin);
      answer = 3 * question;
      answered.Raise(round);
    }
  });
  std::int64_t wrong = 0;
  for (std::int64_t round = 1; round <= kRounds; ++round) {
    question = round;
    asked.Raise(round);
    answered.WaitFor(round, spin);
    if (answer != 3 * round) ++wrong;
  }
  other.join();
  EXPECT_EQ(wrong, 0);
}

TEST(WatermarkTest, SleepersMissNoRaise) { PingPong(kNoSpin); }

TEST(WatermarkTest, SpinnersMissNoRaise) { PingPong(kSpin); }

TEST(WatermarkTest, OneSleepSpansManyRaises) {
  constexpr std::int64_t kLast = 100'000;
  Watermark mark;
  std::vector<std::int64_t> items(kLast);
  std::thread raiser([&] {
    for (std::int64_t i = 0; i < kLast; ++i) {
      items[static_cast<std::size_t>(i)] = i;
      mark.Raise(i + 1);
    }
  });
  std::int64_t wrong = 0;
  for (std::int64_t target = 64; target <= kLast; target += 64) {
    mark.WaitFor(target, kNoSpin);
    for (std::int64_t i = target - 64; i < target; ++i) {
      if (items[static_cast<std::size_t>(i)] != i) ++wrong;
    }
  }
  raiser.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace dime::worker
