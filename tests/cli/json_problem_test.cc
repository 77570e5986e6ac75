#include "cli/json_problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace dime::cli {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(JsonProblemTest, WhatIsWellFormedHasNone) {
  for (const char* line : {R"({"a": 1, "b": "\u00e4\ud83d\ude00"})", "[]", "\"x\"", " 1e308 "}) {
    EXPECT_THAT(FindJsonProblem(line), IsEmpty()) << line;
  }
}

TEST(JsonProblemTest, TheReasonTheColumnAndThePlaceAreNamed) {
  EXPECT_EQ(FindJsonProblem(R"({"a": NaN})"),
            R"(invalid literal in column 7, at '{"a": NaN}'; JSON has no NaN and no Infinity)");
  EXPECT_EQ(FindJsonProblem(R"({"a": 1e999})"),
            R"(number overflow parsing '1e999' in column 11, at '{"a": 1e999}')");
  EXPECT_EQ(FindJsonProblem("{'a': 1}"),
            "invalid literal; expected string literal in column 2, at '{'a': 1}'; JSON has double "
            "quotes only");
  const std::string long_line = "{\"" + std::string(100, 'x') + "\": y, \"" + std::string(100, 'z');
  EXPECT_THAT(FindJsonProblem(long_line),
              AllOf(HasSubstr("in column 106, at '...xxx"), EndsWith("zzz...'")));
}

TEST(JsonProblemTest, SeveralLinesOfOneObjectAndSeveralObjectsOnOneLineAreTold) {
  EXPECT_EQ(FindJsonProblem("{"),
            "unexpected end of input; expected string literal in column 2, at '{'; give one object "
            "a line");
  for (const char* line : {R"(  "age": 25,)", "{} {}", "{} x", "{},"}) {
    EXPECT_THAT(FindJsonProblem(line), EndsWith("; give one object a line")) << line;
  }
  for (const char* line : {"[", "[{\"a\": 1},", "{ \"instances\": ["}) {
    EXPECT_THAT(FindJsonProblem(line), EndsWith("; give the objects alone, one a line")) << line;
  }
}

TEST(JsonProblemTest, TextThatIsNoUnicodeIsShownAsBytes) {
  EXPECT_THAT(FindJsonProblem("{\"a\": \"\xff\"}"),
              AllOf(HasSubstr("UTF-8 byte in column 8"), HasSubstr(R"('{"a": "\xff"}')")));
  EXPECT_THAT(FindJsonProblem(R"({"a": "\ud800"})"), HasSubstr("surrogate"));
}

TEST(JsonProblemTest, ANulIsNotTheEndOfTheLine) {
  EXPECT_EQ(FindJsonProblem(std::string("{}\0garbage", 10)),
            "a NUL byte in column 3, at '{}\\x00garbage'");
  EXPECT_THAT(FindJsonProblem(std::string("{\0\"\0a\0", 6)), HasSubstr("UTF-16"));
}

TEST(JsonProblemTest, DeepNestingCostsNoStack) {
  EXPECT_THAT(FindJsonProblem(std::string(1'000'000, '[')), StartsWith("unexpected end of input"));
}

}  // namespace
}  // namespace dime::cli
