#include "worker/failed_saves.h"

#include <gmock/gmock.h>

#include "tests/support/status_matchers.h"

namespace dime::worker {
namespace {

using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

const absl::Status kFull = base::ResourceExhausted("write 'a file': No space left on device");

TEST(FailedSavesTest, SoManyInARowEndTheJob) {
  FailedSaves saves(/*most_in_a_row=*/3);
  EXPECT_OK(saves.Bear(kFull, 10, "job/model.ckpt-0"));
  EXPECT_OK(saves.Bear(kFull, 20, "job/model.ckpt-0"));
  EXPECT_THAT(saves.Bear(kFull, 30, "job/model.ckpt-0"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("3 checkpoints in a row"), HasSubstr("after step 30"),
                             HasSubstr("No space left"), HasSubstr("--max-failed-saves"))));
}

TEST(FailedSavesTest, OneThatSucceedsStartsTheCountAnew) {
  FailedSaves saves(/*most_in_a_row=*/2);
  for (int i = 0; i < 5; ++i) {
    EXPECT_OK(saves.Bear(kFull, i, ""));
    saves.NoteSuccess();
  }
}

TEST(FailedSavesTest, ZeroIsNever) {
  FailedSaves saves(/*most_in_a_row=*/0);
  for (int i = 0; i < 100; ++i) EXPECT_OK(saves.Bear(kFull, i, ""));
}

TEST(FailedSavesTest, WeightsThatAreNoNumbersEndItAtOnce) {
  FailedSaves saves(/*most_in_a_row=*/3);
  const absl::Status diverged = base::FailedPrecondition("training has diverged");
  EXPECT_EQ(saves.Bear(diverged, 10, ""), diverged);
  EXPECT_EQ(FatalSave(diverged, 10, ""), diverged);
}

TEST(FailedSavesTest, WhateverADiskSaysIsADisksFailureAndPeersArePeers) {
  for (const absl::Status& disk :
       {kFull, base::NotFound("no directory"), base::PermissionDenied("a read-only file system"),
        base::InvalidArgument("a directory")}) {
    EXPECT_THAT(FatalSave(disk, 7, "job/model.ckpt-0"),
                StatusIs(absl::StatusCode::kResourceExhausted,
                         AllOf(HasSubstr(std::string(disk.message())), HasSubstr("step 7"))));
  }
  EXPECT_TRUE(absl::IsUnavailable(FatalSave(base::Unavailable("ps-1 is gone"), 7, "")));
  EXPECT_OK(FatalSave(absl::OkStatus(), 7, ""));
}

}  // namespace
}  // namespace dime::worker
