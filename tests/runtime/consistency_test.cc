#include "runtime/cluster/consistency.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace dime::cluster {
namespace {

using ::dime::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::StrEq;

TEST(ConsistencyTest, EachKindIsReadAndWrittenBack) {
  for (const std::string text : {"async", "bounded:1", "bounded:1000000", "sync"}) {
    ASSERT_OK_AND_ASSIGN(const Consistency consistency, ParseConsistency(text));
    EXPECT_EQ(FormatConsistency(consistency), text);
  }
  ASSERT_OK_AND_ASSIGN(const Consistency bounded, ParseConsistency("bounded:3"));
  EXPECT_EQ(bounded.kind, Consistency::Kind::kBounded);
  EXPECT_EQ(bounded.max_lead, 3);
}

TEST(ConsistencyTest, OtherTextsAreRefusedWithWhatIsAllowed) {
  EXPECT_THAT(ParseConsistency("asynch"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StrEq("'asynch' is none of async, bounded:K, sync; did you mean 'async'?")));
  for (const std::string text : {"bounded:", "bounded:0", "bounded:-1", "bounded:1000001",
                                 "bounded:x", "bounded:3x", "bounded:99999999999999999999"}) {
    EXPECT_THAT(ParseConsistency(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("from 1 to 1000000")))
        << text;
  }
  for (const std::string text : {"", "bounded", "SYNC"}) {
    EXPECT_THAT(ParseConsistency(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is none of async")))
        << text;
  }
}

}  // namespace
}  // namespace dime::cluster
