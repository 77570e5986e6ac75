// tests/support/status_matchers.h - EXPECT_THAT(status, StatusIs(code, HasSubstr("..."))),
// EXPECT_OK(expression).
//
// There is no "not ok": a test names the code that it expects.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <gmock/gmock.h>

#include <string>

namespace dime::testing {

inline const absl::Status& GetStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << GetStatus(arg).ToString();
  return GetStatus(arg).ok();
}

MATCHER_P2(StatusIs, code, message_matcher, "has the code and a message that matches") {
  const absl::Status& status = GetStatus(arg);
  *result_listener << status.ToString();
  return status.code() == code &&
         ::testing::ExplainMatchResult(message_matcher, std::string(status.message()),
                                       result_listener);
}

}  // namespace dime::testing

#define EXPECT_OK(expression) EXPECT_THAT(expression, ::dime::testing::IsOk())
#define ASSERT_OK(expression) ASSERT_THAT(expression, ::dime::testing::IsOk())
#define DIME_TEST_CONCAT_INNER(a, b) a##b
#define DIME_TEST_CONCAT(a, b) DIME_TEST_CONCAT_INNER(a, b)
#define ASSERT_OK_AND_ASSIGN(lhs, expression) \
  ASSERT_OK_AND_ASSIGN_IMPL(DIME_TEST_CONCAT(test_result_, __LINE__), lhs, expression)
#define ASSERT_OK_AND_ASSIGN_IMPL(result, lhs, expression) \
  auto result = (expression);                              \
  ASSERT_THAT(result, ::dime::testing::IsOk());            \
  lhs = *std::move(result)
