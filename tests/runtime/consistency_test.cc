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

TEST(DenseRowsTest, AreOfAKnownKind) {
  ASSERT_OK_AND_ASSIGN(const DenseRows servers, ParseDenseRows("servers"));
  EXPECT_EQ(servers, DenseRows::kServers);
  ASSERT_OK_AND_ASSIGN(const DenseRows all_reduce, ParseDenseRows("allreduce"));
  EXPECT_EQ(all_reduce, DenseRows::kAllReduce);
  EXPECT_THAT(ParseDenseRows("all-reduce"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("servers, allreduce")));
}

TEST(DenseRowsTest, OfAllReplicasNeedStepsInCommon) {
  const Consistency sync = {.kind = Consistency::Kind::kSync};
  EXPECT_OK(CheckDenseRows(DenseRows::kServers, {}));
  EXPECT_OK(CheckDenseRows(DenseRows::kAllReduce, sync));
  EXPECT_THAT(CheckDenseRows(DenseRows::kAllReduce, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("sync, not async")));
  EXPECT_EQ(DefaultConsistency(true, DenseRows::kServers), Consistency());
  EXPECT_EQ(DefaultConsistency(true, DenseRows::kAllReduce), sync);
  EXPECT_EQ(DefaultConsistency(false, DenseRows::kServers), sync);
}

}  // namespace
}  // namespace dime::cluster
