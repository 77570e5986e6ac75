#include "cli/data/run_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace dime::cli {
namespace {

using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RunProgramTest : public ::testing::Test {
 protected:
  absl::Status RunShell(const std::string& script) {
    options_.on_line = [this](const std::string& line) {
      lines_.push_back(line);
      if (line == "stop me") source_.request_stop();
    };
    options_.stop = source_.get_token();
    return RunProgram(std::vector<std::string>{"sh", "-c", script}, options_);
  }

  RunProgramOptions options_;
  std::stop_source source_;
  std::vector<std::string> lines_;
};

TEST_F(RunProgramTest, EveryLineOfBothOutputsIsHeard) {
  EXPECT_OK(RunShell("echo one; echo two >&2; echo; printf three"));
  EXPECT_THAT(lines_, ElementsAre("one", "two", "three"));
}

TEST_F(RunProgramTest, MuchOutputIsReadToItsEnd) {
  EXPECT_OK(RunShell("i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done"));
  ASSERT_EQ(lines_.size(), 5000u);
  EXPECT_EQ(lines_.back(), "line 4999");
}

TEST_F(RunProgramTest, AFailureIsToldWithTheLastLine) {
  EXPECT_THAT(RunShell("echo first; echo no space left; exit 3"),
              StatusIs(absl::StatusCode::kUnavailable, "'sh' failed with status 3: no space left"));
  EXPECT_THAT(RunShell("kill -9 $$"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("ended by signal 9")));
}

TEST_F(RunProgramTest, AFullDiskIsNoFailureOfTheProgram) {
  options_.no_room_status = 74;
  EXPECT_THAT(RunShell("echo 3 MB free; exit 74"),
              StatusIs(absl::StatusCode::kResourceExhausted, "'sh' has no room: 3 MB free"));
}

TEST_F(RunProgramTest, AProgramThatIsNotThereIsNamed) {
  EXPECT_THAT(RunProgram(std::vector<std::string>{"no-such-program"}, options_),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("'no-such-program'"), HasSubstr("No such file"))));
}

TEST_F(RunProgramTest, AProgramThatTakesTooLongIsEnded) {
  options_.time_limit = std::chrono::milliseconds(1);
  EXPECT_THAT(RunShell("exec sleep 1000"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("did not finish")));
}

TEST_F(RunProgramTest, AProgramThatIsSilentFromTheStartIsEnded) {
  options_.patience = std::chrono::milliseconds(1);
  EXPECT_THAT(RunShell("exec sleep 1000"),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "'sh' printed nothing within 1 ms"));
}

TEST_F(RunProgramTest, AProgramThatHasSpokenMayTakeItsTime) {
  options_.patience = std::chrono::milliseconds(1000);
  EXPECT_OK(RunShell("echo begun; sleep 1.2; echo done"));
  EXPECT_THAT(lines_, ElementsAre("begun", "done"));
}

TEST_F(RunProgramTest, AStopEndsIt) {
  EXPECT_THAT(RunShell("echo stop me; exec sleep 1000"),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("'sh' was stopped")));
}

TEST_F(RunProgramTest, WhatItLeftBehindIsEndedAndNotWaitedFor) {
  EXPECT_OK(RunShell("sleep 1000 & echo done"));
  EXPECT_THAT(lines_, ElementsAre("done"));
}

TEST_F(RunProgramTest, ItsStdinIsOpenAndSilent) {
  options_.time_limit = std::chrono::milliseconds(200);
  EXPECT_THAT(RunShell("read line; echo stdin has ended"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("did not finish")));
  EXPECT_THAT(lines_, ElementsAre());
}

}  // namespace
}  // namespace dime::cli
