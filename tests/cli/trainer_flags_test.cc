#include "cli/trainer_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace dime::cli {
namespace {

using ::dime::testing::IsOk;
using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

absl::StatusOr<TrainerFlags> Parse(const std::vector<std::string>& words) {
  TrainerFlags flags;
  DIME_RETURN_IF_ERROR(ParseTrainerFlags(words, &flags).status());
  return flags;
}

absl::StatusOr<std::vector<std::int64_t>> UnitsOf(const std::vector<std::string>& words) {
  DIME_ASSIGN_OR_RETURN(const TrainerFlags flags, Parse(words));
  return HiddenUnits(flags);
}

TEST(TrainerFlagsTest, TheFlagsOfBothGenerationsAreRead) {
  ASSERT_OK_AND_ASSIGN(const TrainerFlags flags, Parse({"--train-files",
                                                        "a.csv",
                                                        "b.csv",
                                                        "--eval-files=c.csv",
                                                        "--job-dir",
                                                        "/j",
                                                        "--num-epochs",
                                                        "2",
                                                        "--train-batch-size",
                                                        "41",
                                                        "--eval-batch-size",
                                                        "42",
                                                        "--embedding-size",
                                                        "9",
                                                        "--first-layer-size",
                                                        "50",
                                                        "--num-layers",
                                                        "2",
                                                        "--scale-factor",
                                                        "0.5",
                                                        "--train-steps",
                                                        "7",
                                                        "--eval-steps",
                                                        "0",
                                                        "--eval-delay-secs",
                                                        "10",
                                                        "--min-eval-frequency",
                                                        "1",
                                                        "--export-format",
                                                        "CSV",
                                                        "--verbosity",
                                                        "WARN",
                                                        "--num-parallel-calls",
                                                        "4",
                                                        "--prefetch_buffer_size",
                                                        "5"}));
  EXPECT_THAT(flags.train_files, ElementsAre("a.csv", "b.csv"));
  EXPECT_THAT(flags.eval_files, ElementsAre("c.csv"));
  EXPECT_EQ(flags.job_dir, "/j");
  EXPECT_EQ(flags.num_epochs, 2);
  EXPECT_EQ(flags.train_batch_size, 41);
  EXPECT_EQ(flags.eval_batch_size, 42);
  EXPECT_EQ(flags.embedding_size, 9);
  EXPECT_EQ(flags.train_steps, 7);
  EXPECT_EQ(flags.eval_steps, 0);
  EXPECT_EQ(flags.eval_delay_secs, 10);
  EXPECT_EQ(flags.min_eval_frequency, 1);
  EXPECT_EQ(flags.export_format, "CSV");
  EXPECT_EQ(flags.verbosity, "WARN");
  EXPECT_EQ(flags.num_parallel_calls, 4);
  EXPECT_EQ(flags.prefetch_buffer_size, 5);
}

TEST(TrainerFlagsTest, WhatIsNotGivenHasNoValue) {
  ASSERT_OK_AND_ASSIGN(const TrainerFlags flags, Parse({}));
  EXPECT_THAT(flags.train_files, IsEmpty());
  EXPECT_EQ(flags.train_steps, std::nullopt);
  EXPECT_EQ(flags.embedding_size, std::nullopt);
  EXPECT_EQ(flags.export_format, "JSON");
  EXPECT_EQ(flags.verbosity, std::nullopt);
}

TEST(TrainerFlagsTest, AbsurdValuesAreRefusedByName) {
  for (const char* flag :
       {"--num-epochs", "--train-steps", "--train-batch-size", "--eval-batch-size",
        "--embedding-size", "--first-layer-size", "--num-layers"}) {
    for (const char* value : {"0", "-1", "99999999999999999", "many"}) {
      EXPECT_THAT(Parse({flag, value}), StatusIs(absl::StatusCode::kInvalidArgument,
                                                 HasSubstr(std::string(flag) + ": '" + value)));
    }
  }
  for (const char* value : {"0", "-1", "101", "nan"}) {
    EXPECT_THAT(Parse({"--scale-factor", value}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--scale-factor")));
  }
  EXPECT_THAT(Parse({"--num-layers", "65"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("from 1 to 64")));
  EXPECT_THAT(Parse({"--eval-steps", "-1"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--eval-steps")));
}

TEST(TrainerFlagsTest, VerbosityIsInCapitalsAndListedBySeverity) {
  EXPECT_THAT(Parse({"--verbosity", "info"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("'info' is none of DEBUG, INFO, WARN, ERROR, FATAL; did you mean "
                                 "'INFO'?")));
}

TEST(TrainerFlagsTest, EachFlagIsExplained) {
  const std::string help = FormatTrainerFlags();
  for (const char* flag : {"--train-files FILE ...", "--eval-steps N", "--scale-factor X"}) {
    EXPECT_THAT(help, HasSubstr(std::string("  ") + flag + "  "));
  }
  EXPECT_TRUE(IsTrainerFlag("--prefetch_buffer_size"));
  EXPECT_FALSE(IsTrainerFlag("--seed"));
}

TEST(HiddenUnitsTest, NoFlagLeavesTheModelAsItIs) {
  EXPECT_THAT(*UnitsOf({}), IsEmpty());
  EXPECT_THAT(*UnitsOf({"--embedding-size", "4"}), IsEmpty());
}

// As Python's [max(2, int(first * scale ** i)) for i in range(layers)] gives them.
TEST(HiddenUnitsTest, LayersShrinkAsInTheSample) {
  EXPECT_THAT(*UnitsOf({"--num-layers", "4"}), ElementsAre(100, 70, 48, 34));
  EXPECT_THAT(*UnitsOf({"--scale-factor", "0.7"}), ElementsAre(100, 70, 48, 34));
  EXPECT_THAT(*UnitsOf({"--first-layer-size", "10", "--num-layers", "6"}),
              ElementsAre(10, 7, 4, 3, 2, 2));
  EXPECT_THAT(
      *UnitsOf({"--first-layer-size", "256", "--num-layers", "2", "--scale-factor", "0.25"}),
      ElementsAre(256, 64));
  EXPECT_THAT(*UnitsOf({"--first-layer-size", "1", "--num-layers", "1"}), ElementsAre(2));
  EXPECT_THAT(*UnitsOf({"--num-layers", "64"}), SizeIs(64));
}

TEST(HiddenUnitsTest, LayersThatGrowBeyondMeasureAreRefused) {
  EXPECT_THAT(UnitsOf({"--scale-factor", "100", "--num-layers", "64"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("hidden layer 3 larger")));
}

}  // namespace
}  // namespace dime::cli
