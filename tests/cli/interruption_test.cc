#include "cli/interruption.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <condition_variable>
#include <mutex>

namespace dime::cli {
namespace {

void WaitForStop(const std::stop_token& token) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, token, [] { return false; });
}

TEST(InterruptionTest, WithoutASignalNothingIsAskedFor) {
  Interruption interruption("notice");
  EXPECT_FALSE(interruption.token().stop_requested());
  EXPECT_EQ(interruption.exit_code(), 0);
}

TEST(InterruptionTest, TheFirstSignalAsksForAStop) {
  for (const auto& [signal, exit_code] :
       {std::pair(SIGINT, 130), std::pair(SIGTERM, 143), std::pair(SIGHUP, 129)}) {
    Interruption interruption("notice");
    raise(signal);
    WaitForStop(interruption.token());
    EXPECT_EQ(interruption.exit_code(), exit_code);
  }
}

TEST(InterruptionDeathTest, TheSecondSignalEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto raise_twice = [](int first, int second) {
    Interruption interruption("notice");
    raise(first);
    raise(second);
  };
  EXPECT_EXIT(raise_twice(SIGINT, SIGINT), ::testing::ExitedWithCode(130), "");
  EXPECT_EXIT(raise_twice(SIGINT, SIGTERM), ::testing::ExitedWithCode(143), "");
}

TEST(InterruptionTest, AnIgnoredSignalStaysIgnored) {
  signal(SIGINT, SIG_IGN);
  {
    Interruption interruption("notice");
    raise(SIGINT);
    EXPECT_EQ(interruption.exit_code(), 0);
  }
  EXPECT_EQ(signal(SIGINT, SIG_DFL), SIG_IGN);
}

TEST(InterruptionTest, SignalsDoAfterwardsWhatTheyDidBefore) {
  struct sigaction action;
  {
    Interruption interruption("notice");
  }
  sigaction(SIGTERM, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
}

}  // namespace
}  // namespace dime::cli
