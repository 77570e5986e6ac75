#include "worker/own_checkpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

class OwnCheckpointsTest : public ::testing::Test {
 protected:
  storage::FileSystem& fs_ = storage::LocalFileSystem();
  testing::TempDir directory_;
};

TEST_F(OwnCheckpointsTest, ANameGivesItsStepBack) {
  for (const std::int64_t step :
       {std::int64_t{0}, std::int64_t{1000}, std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_THAT(StepOfCheckpoint(CheckpointName(step)), Optional(step));
  }
}

TEST_F(OwnCheckpointsTest, OtherNamesHaveNoStep) {
  for (const char* const name :
       {"", "model.ckpt", "model.ckpt-", "model.ckpt--1", "model.ckpt-01", "model.ckpt-1.index",
        "model.ckpt-1 ", "model.ckpt-99999999999999999999", "best.ckpt-1", "../model.ckpt-1"}) {
    EXPECT_EQ(StepOfCheckpoint(name), std::nullopt) << name;
  }
}

TEST_F(OwnCheckpointsTest, CheckpointsAreListedByTheirSteps) {
  for (const char* const name : {"model.ckpt-10.index", "model.ckpt-9.index", "model.ckpt-x.index",
                                 "model.ckpt-11.data-00000-of-00001"}) {
    std::ofstream(directory_.File(name)) << "x";
  }
  std::filesystem::create_directory(directory_.File("model.ckpt-12.index"));
  ASSERT_OK_AND_ASSIGN(const auto names, ListCheckpoints(fs_, directory_.path()));
  EXPECT_THAT(names, ElementsAre("model.ckpt-9", "model.ckpt-10"));
}

TEST_F(OwnCheckpointsTest, TheListIsReadBack) {
  std::filesystem::create_directory(directory_.File("dime"));
  ASSERT_OK(WriteOwnCheckpoints(fs_, directory_.path(), {"model.ckpt-9", "model.ckpt-10"}));
  ASSERT_OK_AND_ASSIGN(const auto names, ReadOwnCheckpoints(fs_, directory_.path()));
  EXPECT_THAT(names, ElementsAre("model.ckpt-9", "model.ckpt-10"));
}

TEST_F(OwnCheckpointsTest, WithoutAListNothingIsTheJobsOwn) {
  ASSERT_OK_AND_ASSIGN(const auto names, ReadOwnCheckpoints(fs_, directory_.path()));
  EXPECT_THAT(names, IsEmpty());
}

TEST_F(OwnCheckpointsTest, ADamagedListNamesNothingElse) {
  std::filesystem::create_directory(directory_.File("dime"));
  std::ofstream(directory_.File("dime/checkpoints"))
      << "\n../model.ckpt-1\n/model.ckpt-2\nmodel.ckpt-3\r\nmodel.ckpt-4\nmodel.ckpt-";
  ASSERT_OK_AND_ASSIGN(const auto names, ReadOwnCheckpoints(fs_, directory_.path()));
  EXPECT_THAT(names, ElementsAre("model.ckpt-4"));
}

}  // namespace
}  // namespace dime::worker
