// Tests of the smallest parts of runtime/base: check, sha256, status and suggest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "runtime/base/check.h"
#include "runtime/base/sha256.h"
#include "runtime/base/status.h"
#include "runtime/base/suggest.h"
#include "tests/support/status_matchers.h"

namespace dime::base {
namespace {

using ::dime::testing::IsOk;
using ::dime::testing::StatusIs;
using ::testing::HasSubstr;

TEST(CheckTest, AFalseConditionAbortsWithPlaceAndText) {
  DIME_CHECK(1 + 1 == 2);
  EXPECT_DEATH(DIME_CHECK(1 + 1 == 3), "base_test\\.cc:[0-9]+: check failed: 1 \\+ 1 == 3");
}

TEST(Sha256Test, GivesThePublishedValues) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(StatusTest, AnnotateKeepsTheCodeAndPutsTheContextInFront) {
  EXPECT_THAT(Annotate(NotFound("no file '{}'", "x"), "reading data"),
              StatusIs(absl::StatusCode::kNotFound, "reading data: no file 'x'"));
  EXPECT_THAT(Annotate(absl::OkStatus(), "reading data"), IsOk());
}

TEST(StatusTest, SystemErrorsGetTheCodeThatFits) {
  const auto code = [](int error_number) { return ErrnoToStatus(error_number, "open 'f'").code(); };
  EXPECT_EQ(code(ENOENT), absl::StatusCode::kNotFound);
  EXPECT_EQ(code(EACCES), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(ENOSPC), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(EISDIR), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(EEXIST), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(code(EIO), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(ENOTCONN), absl::StatusCode::kUnavailable);
  EXPECT_THAT(ErrnoToStatus(ENOENT, "open 'f'"),
              StatusIs(absl::StatusCode::kNotFound, "open 'f': No such file or directory"));
}

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) return InvalidArgument("{} is odd", value);
  return value / 2;
}

absl::Status Quarter(int value, int* quarter) {
  DIME_ASSIGN_OR_RETURN(const int half, Half(value));
  DIME_ASSIGN_OR_RETURN(*quarter, Half(half));
  DIME_RETURN_IF_ERROR(Half(*quarter * 2).status());
  return absl::OkStatus();
}

TEST(StatusTest, MacrosReturnTheFirstErrorAndElseTheValue) {
  int quarter = 0;
  EXPECT_THAT(Quarter(12, &quarter), IsOk());
  EXPECT_EQ(quarter, 3);
  EXPECT_THAT(Quarter(6, &quarter),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("3 is odd")));
}

class SuggestTest : public ::testing::Test {
 protected:
  const std::vector<std::string> names_ = {"train-steps", "eval-steps", "train-files",
                                           "scale-tier",  "config",     "v1"};
};

TEST_F(SuggestTest, FindsWhatWasMeant) {
  EXPECT_EQ(Nearest("train-step", names_), "train-steps");
  EXPECT_EQ(Nearest("tarin-steps", names_), "train-steps");
  EXPECT_EQ(Nearest("TRAIN_FILES", names_), "train-files");
  EXPECT_EQ(Nearest("confg", names_), "config");
  EXPECT_EQ(Nearest("v2", names_), "v1");
  EXPECT_EQ(DidYouMean("scaletier", names_), "; did you mean 'scale-tier'?");
}

TEST_F(SuggestTest, StaysSilentWhenNothingIsNear) {
  EXPECT_EQ(Nearest("verbosity", names_), "");
  EXPECT_EQ(Nearest("x", names_), "");
  EXPECT_EQ(Nearest("", names_), "");
  EXPECT_EQ(Nearest(std::string(1'000'000, 'a'), names_), "");
  EXPECT_EQ(Nearest("config", {}), "");
  EXPECT_EQ(DidYouMean("verbosity", names_), "");
}

}  // namespace
}  // namespace dime::base
