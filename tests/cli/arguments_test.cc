#include "cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/exit_codes.h"
#include "cli/trainer_flags.h"
#include "tests/support/status_matchers.h"

namespace dime::cli {
namespace {

using ::dime::testing::IsOk;
using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What holds for all options, by the example of the trainer's.
class ArgumentsTest : public ::testing::Test {
 protected:
  absl::StatusOr<Parsed> Parse(const std::vector<std::string>& words) {
    flags_ = {};
    return ParseTrainerFlags(words, &flags_);
  }
  absl::Status ErrorOf(const std::vector<std::string>& words) { return Parse(words).status(); }

  TrainerFlags flags_;
};

auto Refused(const char* text) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
}

TEST_F(ArgumentsTest, ValuesStandInTheNextWordOrBehindAnEqualsSign) {
  ASSERT_OK(Parse({"--train-steps", "10", "--job-dir=a=b", "--scale-factor=.5"}));
  EXPECT_EQ(flags_.train_steps, 10);
  EXPECT_EQ(flags_.job_dir, "a=b");
  EXPECT_EQ(flags_.scale_factor, 0.5);
}

TEST_F(ArgumentsTest, AListTakesWordsUpToTheNextOption) {
  ASSERT_OK(Parse({"--train-files", "a", "b", "-", "--job-dir", "d"}));
  EXPECT_THAT(flags_.train_files, ElementsAre("a", "b", "-"));
  EXPECT_EQ(flags_.job_dir, "d");
}

TEST_F(ArgumentsTest, BracketsInAFileNameAreNoList) {
  ASSERT_OK(Parse({"--train-files", "[ab]"}));
  EXPECT_THAT(flags_.train_files, ElementsAre("[ab]"));
}

TEST_F(ArgumentsTest, TheLastOccurrenceCounts) {
  ASSERT_OK(
      Parse({"--train-files", "a", "b", "--train-steps=1", "--train-files=c", "--train-steps=2"}));
  EXPECT_THAT(flags_.train_files, ElementsAre("c"));
  EXPECT_EQ(flags_.train_steps, 2);
}

TEST_F(ArgumentsTest, AnUnambiguousBeginningIsEnough) {
  ASSERT_OK(Parse({"--train-f", "a", "--ex=CSV"}));
  EXPECT_THAT(flags_.train_files, ElementsAre("a"));
  EXPECT_EQ(flags_.export_format, "CSV");
}

TEST_F(ArgumentsTest, AnAmbiguousBeginningNamesWhatItCouldBe) {
  EXPECT_THAT(ErrorOf({"--train", "a"}),
              Refused("'--train' could be any of --train-files, --train-steps, "
                      "--train-batch-size"));
}

TEST_F(ArgumentsTest, TwoNamesOfOneOptionAreNotAmbiguous) {
  ASSERT_OK(Parse({"--prefetch", "3"}));
  EXPECT_EQ(flags_.prefetch_buffer_size, 3);
  ASSERT_OK(Parse({"--prefetch_buffer_size", "4"}));
  EXPECT_EQ(flags_.prefetch_buffer_size, 4);
}

TEST_F(ArgumentsTest, AnUnknownOptionSuggestsTheNearest) {
  EXPECT_THAT(ErrorOf({"--train-step5", "3"}),
              Refused("unknown option '--train-step5'; did you mean '--train-steps'?"));
  EXPECT_THAT(ErrorOf({"-t", "3"}), Refused("unknown option '-t'"));
}

TEST_F(ArgumentsTest, AnOptionIsNeverAnotherOnesValue) {
  EXPECT_THAT(ErrorOf({"--job-dir", "--train-steps", "3"}), Refused("--job-dir needs a value"));
  EXPECT_THAT(ErrorOf({"--train-files"}), Refused("--train-files needs a value"));
  EXPECT_THAT(ErrorOf({"--job-dir", "--typo"}), Refused("--job-dir needs a value"));
}

TEST_F(ArgumentsTest, ANegativeNumberIsAValueAndIsRefusedByRange) {
  EXPECT_THAT(ErrorOf({"--train-steps", "-5"}),
              Refused("--train-steps: '-5' is no whole number from 1 to"));
  EXPECT_THAT(ErrorOf({"--scale-factor", "-.5"}), Refused("--scale-factor: '-.5' is no number"));
}

TEST_F(ArgumentsTest, NumbersAreReadWholeAndInDecimal) {
  for (const char* text :
       {"", "x", "1x", " 1", "0x10", "1e3", "1.0", "0", "99999999999999999999"}) {
    EXPECT_THAT(ErrorOf({"--train-steps", text}), Refused("--train-steps: '")) << text;
  }
  ASSERT_OK(Parse({"--train-steps", "010"}));
  EXPECT_EQ(flags_.train_steps, 10);
  ASSERT_OK(Parse({"--train-steps", "+7"}));
  EXPECT_EQ(flags_.train_steps, 7);
  for (const char* text : {"", "x", "nan", "inf", "0", "100.5", "1.5z"}) {
    EXPECT_THAT(ErrorOf({"--scale-factor", text}), Refused("--scale-factor: '")) << text;
  }
}

TEST_F(ArgumentsTest, AChoiceIsTakenLetterByLetter) {
  EXPECT_THAT(ErrorOf({"--export-format", "json"}),
              Refused("'json' is none of JSON, CSV, EXAMPLE; did you mean 'JSON'?"));
}

TEST_F(ArgumentsTest, EmptyValuesAndWordsWithBlanksAreValues) {
  ASSERT_OK(Parse({"--job-dir", ""}));
  EXPECT_EQ(flags_.job_dir, "");
  ASSERT_OK(Parse({"--job-dir="}));
  EXPECT_EQ(flags_.job_dir, "");
  ASSERT_OK(Parse({"--job-dir", "-my dir"}));
  EXPECT_EQ(flags_.job_dir, "-my dir");
}

TEST_F(ArgumentsTest, WordsThatBelongToNothingAreRefused) {
  EXPECT_THAT(ErrorOf({"x"}), Refused("unexpected word 'x'"));
  EXPECT_THAT(ErrorOf({"--", "--job-dir"}), Refused("unexpected word '--job-dir'"));
}

TEST_F(ArgumentsTest, HelpEndsTheReading) {
  ASSERT_OK_AND_ASSIGN(const Parsed parsed, Parse({"--help", "--no-such-option"}));
  EXPECT_EQ(parsed, Parsed::kHelpWanted);
  ASSERT_OK_AND_ASSIGN(const Parsed nothing, Parse({}));
  EXPECT_EQ(nothing, Parsed::kOptions);
}

TEST(ExitCodesTest, EachKindOfErrorHasItsCode) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(base::InvalidArgument("")), 78);
  EXPECT_EQ(ExitCodeOf(base::FailedPrecondition("")), 78);
  EXPECT_EQ(ExitCodeOf(base::OutOfRange("")), 65);
  EXPECT_EQ(ExitCodeOf(base::DataLoss("")), 65);
  EXPECT_EQ(ExitCodeOf(base::NotFound("")), 65);
  EXPECT_EQ(ExitCodeOf(base::Unavailable("")), 69);
  EXPECT_EQ(ExitCodeOf(base::Internal("")), 70);
  EXPECT_EQ(ExitCodeOf(absl::UnknownError("")), 70);
  EXPECT_EQ(ExitCodeOf(base::ResourceExhausted("")), 74);
  EXPECT_EQ(ExitCodeOf(base::PermissionDenied("")), 77);
  EXPECT_EQ(ExitCodeOf(base::Unimplemented("")), 64);
}

TEST(ExitCodesTest, WhatWasDoneDecidesWhoseFaultItIs) {
  EXPECT_EQ(ExitCodeOfInput(base::InvalidArgument("")), 65);
  EXPECT_EQ(ExitCodeOfInput(base::PermissionDenied("")), 77);
  EXPECT_EQ(ExitCodeOfJob(base::InvalidArgument("")), 74);
  EXPECT_EQ(ExitCodeOfJob(base::FailedPrecondition("")), 78);
  EXPECT_EQ(ExitCodeOfWrite(base::NotFound("")), 74);
  EXPECT_EQ(ExitCodeOfWrite(base::InvalidArgument("")), 74);
  EXPECT_EQ(ExitCodeOfWrite(base::PermissionDenied("")), 77);
}

TEST(ExitCodesTest, EachCodeIsExplainedOnce) {
  std::vector<int> codes;
  for (const ExitCodeMeaning& line : ExitCodeMeanings()) codes.push_back(line.code);
  EXPECT_THAT(codes, ElementsAre(0, 64, 65, 69, 70, 74, 75, 77, 78, 129, 130, 141, 143));
}

TEST(MemorySizeTest, IsBytesWhateverTheUnit) {
  const std::pair<const char*, const char*> sizes[] = {{"65536", "65536"},
                                                       {"64KiB", "65536"},
                                                       {"512MiB", "536870912"},
                                                       {"3GiB", "3221225472"},
                                                       {"1TiB", "1099511627776"}};
  const CLI::Validator size = MemorySize(65536);
  for (const auto& [given, expected] : sizes) {
    std::string text = given;
    EXPECT_EQ(size(text), "");
    EXPECT_EQ(text, expected);
  }
  for (const char* const bad : {"", "x", "65535", "63KiB", "1GB", "1.5GiB", "-1GiB", "64 KiB",
                                "99999999999999999999", "99999999TiB", "GiB"}) {
    std::string text = bad;
    EXPECT_NE(size(text), "") << bad;
  }
}

}  // namespace
}  // namespace dime::cli
