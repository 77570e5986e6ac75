#include "runtime/checkpoint/checkpoint_state.h"

#include <gmock/gmock.h>

#include "tests/runtime/checkpoint_files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::checkpoint {
namespace {

using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(CheckpointStateTest, TextIsThatOfTensorFlow) {
  const TempDir dir;
  ASSERT_OK(WriteCheckpointState(Files(), dir.path(), {{"model.ckpt-0", "model.ckpt-1000"}}));
  ASSERT_OK_AND_ASSIGN(const std::string text, Files().ReadFile(dir.File("checkpoint")));
  EXPECT_EQ(text,
            "model_checkpoint_path: \"model.ckpt-1000\"\n"
            "all_model_checkpoint_paths: \"model.ckpt-0\"\n"
            "all_model_checkpoint_paths: \"model.ckpt-1000\"\n");
}

TEST(CheckpointStateTest, StateComesBackAsItWas) {
  const TempDir dir;
  const CheckpointState state = {{"model.ckpt-0", "a \"quoted\" \xc3\xa9 name\n", "model.ckpt-7"}};
  ASSERT_OK(WriteCheckpointState(Files(), dir.path(), state));
  ASSERT_OK_AND_ASSIGN(const CheckpointState again, ReadCheckpointState(Files(), dir.path()));
  EXPECT_EQ(again.all_prefixes, state.all_prefixes);
  EXPECT_EQ(again.latest(), "model.ckpt-7");
}

TEST(CheckpointStateTest, NoFileIsAnEmptyState) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const CheckpointState state, ReadCheckpointState(Files(), dir.path()));
  EXPECT_THAT(state.all_prefixes, IsEmpty());
  EXPECT_EQ(state.latest(), "");
}

TEST(CheckpointStateTest, TensorFlowsOtherFormsAreRead) {
  const TempDir dir;
  // Absolute paths of another machine, time stamps, a field of the future, the latest not last.
  ASSERT_OK(Files().WriteAtomically(dir.File("checkpoint"),
                                    "model_checkpoint_path: '/old/place/model.ckpt-5'\n"
                                    "all_model_checkpoint_paths: \"/old/place/model.ckpt-5\"\n"
                                    "all_model_checkpoint_paths: \"/old/place/model.ckpt-1\"\n"
                                    "all_model_checkpoint_timestamps: 1600000000.5\n"
                                    "field_of_the_future: 7\n"));
  ASSERT_OK_AND_ASSIGN(const CheckpointState state, ReadCheckpointState(Files(), dir.path()));
  EXPECT_THAT(state.all_prefixes, ElementsAre("model.ckpt-1", "model.ckpt-5"));
}

TEST(CheckpointStateTest, DamagedFilesAreNamed) {
  const TempDir dir;
  for (const std::string& text :
       {std::string(), std::string("model_checkpoint_path: \"model"), std::string(100, '\0'),
        std::string("all_model_checkpoint_paths: \"model.ckpt-1\""),
        std::string("model_checkpoint_path: \"..\""), std::string("model_checkpoint_path: \"/\""),
        std::string("model_checkpoint_path: \"../../other/model.ckpt-1\""),
        std::string("model_checkpoint_path: \"a/../../model.ckpt-1\""),
        std::string("model_checkpoint_path: \"a\\000b\"")}) {
    ASSERT_OK(Files().WriteAtomically(dir.File("checkpoint"), text));
    EXPECT_THAT(ReadCheckpointState(Files(), dir.path()),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(dir.File("checkpoint"))))
        << text;
  }
}

TEST(CheckpointStateTest, StatesThatNobodyCouldReadAreNotWritten) {
  const TempDir dir;
  EXPECT_THAT(WriteCheckpointState(Files(), dir.path(), {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no checkpoint")));
  EXPECT_THAT(WriteCheckpointState(Files(), dir.path(), {{"../model.ckpt-1"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("../model.ckpt-1")));
  EXPECT_FALSE(Files().Exists(dir.File("checkpoint")));
}

}  // namespace
}  // namespace dime::checkpoint
