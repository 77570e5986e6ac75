#include "runtime/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace dime::base {
namespace {

using ::testing::MatchesRegex;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

class LogTest : public ::testing::Test {
 protected:
  void TearDown() override {
    SetMinLogSeverity(Severity::kInfo);
    SetLogHooks(nullptr, nullptr);
    SetLogName("");
  }
};

TEST_F(LogTest, ALineIsSeverityTimeAndMessage) {
  CaptureStderr();
  Log(Severity::kWarning, "{} of {}", 3, "{}%s");
  EXPECT_THAT(GetCapturedStderr(),
              MatchesRegex("WARNING [0-9][0-9]:[0-9][0-9]:[0-9][0-9] 3 of \\{\\}%s\n"));
}

TEST_F(LogTest, AProcessWithANameSaysItBeforeEachMessage) {
  SetLogName("worker-3");
  CaptureStderr();
  Log(Severity::kWarning, "slow");
  EXPECT_THAT(GetCapturedStderr(), MatchesRegex("WARNING [0-9:]+ worker-3: slow\n"));
}

TEST_F(LogTest, LessSevereMessagesAreDropped) {
  EXPECT_FALSE(ShouldLog(Severity::kDebug));
  SetMinLogSeverity(Severity::kError);
  CaptureStderr();
  Log(Severity::kWarning, "unseen");
  LogLine(Severity::kInfo, "unseen");
  LogLine(Severity::kError, "seen");
  EXPECT_THAT(GetCapturedStderr(), MatchesRegex("ERROR [0-9:]+ seen\n"));
}

TEST_F(LogTest, DebugIsShownWhenAskedFor) {
  SetMinLogSeverity(Severity::kDebug);
  CaptureStderr();
  Log(Severity::kDebug, "detail");
  EXPECT_THAT(GetCapturedStderr(), MatchesRegex("DEBUG [0-9:]+ detail\n"));
}

TEST_F(LogTest, AMessageStaysOnOneLine) {
  CaptureStderr();
  LogLine(Severity::kInfo, "file 'a\r\nERROR 00:00:00 forged'");
  EXPECT_THAT(GetCapturedStderr(), MatchesRegex("INFO [0-9:]+ file 'a  ERROR 00:00:00 forged'\n"));
}

TEST_F(LogTest, HooksRunAroundEveryLine) {
  std::string order;
  SetLogHooks([&] { order += '<'; }, [&] { order += '>'; });
  CaptureStderr();
  LogLine(Severity::kInfo, "one");
  LogLine(Severity::kDebug, "dropped");
  LogLine(Severity::kInfo, "two");
  GetCapturedStderr();
  EXPECT_EQ(order, "<><>");
}

TEST_F(LogTest, LinesOfManyThreadsDoNotMix) {
  constexpr int kThreads = 4;
  constexpr int kLines = 50;
  CaptureStderr();
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([] {
      for (int line = 0; line < kLines; ++line) Log(Severity::kInfo, "from a thread");
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = GetCapturedStderr();
  int lines = 0;
  for (std::size_t start = 0; start < text.size(); ++lines) {
    const std::size_t end = text.find('\n', start);
    ASSERT_THAT(text.substr(start, end - start), MatchesRegex("INFO [0-9:]+ from a thread"));
    start = end + 1;
  }
  EXPECT_EQ(lines, kThreads * kLines);
}

}  // namespace
}  // namespace dime::base
