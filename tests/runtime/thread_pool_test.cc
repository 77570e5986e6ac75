#include "runtime/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace dime::base {
namespace {

class ThreadPoolTest : public ::testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, EveryPartRunsOnce) {
  ThreadPool pool(GetParam());
  for (const int num_parts : {0, 1, 2, 3, 7, 64, 1000}) {
    std::vector<std::atomic<int>> runs(num_parts);
    pool.ParallelFor(num_parts, [&](int part) { ++runs.at(part); });
    for (int part = 0; part < num_parts; ++part) ASSERT_EQ(runs[part], 1) << part;
  }
}

TEST_P(ThreadPoolTest, WhatThePartsWroteIsSeenAfterwards) {
  ThreadPool pool(GetParam());
  std::vector<int> values(50);  // Plain ints: the thread sanitizer judges the hand-over.
  for (int task = 1; task <= 200; ++task) {
    pool.ParallelFor(static_cast<int>(values.size()), [&](int part) { values[part] += part; });
    ASSERT_EQ(values[49], 49 * task);
  }
}

TEST_P(ThreadPoolTest, AnExceptionComesOutWhenNothingRunsAnyMore) {
  ThreadPool pool(GetParam());
  for (int task = 0; task < 100; ++task) {
    std::atomic<int> running = 0;
    const auto part = [&](int i) {
      ++running;
      std::this_thread::yield();
      --running;
      if (i % 3 == 2) throw std::runtime_error("part");
    };
    EXPECT_THROW(pool.ParallelFor(20, part), std::runtime_error);
    EXPECT_EQ(running, 0);
  }
  std::atomic<int> runs = 0;
  pool.ParallelFor(20, [&](int) { ++runs; });
  EXPECT_EQ(runs, 20);
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, ::testing::Values(1, 2, 3, 8));

TEST(ThreadPoolOfTwoTest, TwoPartsRunAtTheSameTime) {
  ThreadPool pool(2);
  ASSERT_EQ(pool.num_threads(), 2);
  std::mutex mutex;
  std::condition_variable both;
  int inside = 0;
  pool.ParallelFor(2, [&](int) {  // Returns only when the other part is inside too.
    std::unique_lock lock(mutex);
    ++inside;
    both.notify_all();
    both.wait(lock, [&] { return inside == 2; });
  });
  EXPECT_EQ(inside, 2);
}

TEST(ThreadPoolOfOneTest, EverythingRunsOnTheCaller) {
  ThreadPool pool(1);
  EXPECT_EQ(pool.num_threads(), 1);
  pool.ParallelFor(3, [caller = std::this_thread::get_id()](int) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
  });
}

TEST(ThreadPoolOfZeroTest, TakesOneThreadAProcessor) {
  EXPECT_EQ(ThreadPool(0).num_threads(), static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace dime::base
