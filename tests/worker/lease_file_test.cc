#include "worker/leases/lease_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::worker {
namespace {

using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LeaseFileTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(fs_.CreateDirectories(dir_.File("dime"))); }

  std::vector<BatchRange> Read(std::int64_t step) {
    const auto done = ReadDoneBatches(fs_, dir_.path(), step);
    EXPECT_OK(done.status());
    return done.value_or(DoneBatches{}).ranges;
  }
  void Write(std::int64_t step, const std::vector<BatchRange>& done) {
    EXPECT_OK(WriteDoneBatches(fs_, dir_.path(), step, {.ranges = done}));
  }

  const TempDir dir_;
  storage::FileSystem& fs_ = storage::LocalFileSystem();
};

TEST_F(LeaseFileTest, WithoutALineACheckpointHasAllBelowItsStep) {
  EXPECT_THAT(Read(0), IsEmpty());
  EXPECT_THAT(Read(70), ElementsAre(BatchRange{0, 70}));
  Write(70, {{0, 70}});
  EXPECT_FALSE(fs_.Exists(dir_.File("dime/leases")));
}

TEST_F(LeaseFileTest, KeepsWhatEachCheckpointHas) {
  Write(50, {{0, 30}, {35, 48}});
  Write(80, {{5, 60}});
  EXPECT_THAT(Read(50), ElementsAre(BatchRange{0, 30}, BatchRange{35, 48}));
  EXPECT_THAT(Read(80), ElementsAre(BatchRange{5, 60}));
  EXPECT_THAT(Read(70), ElementsAre(BatchRange{0, 70}));
  Write(90, {});
  EXPECT_THAT(Read(90), IsEmpty());
}

TEST_F(LeaseFileTest, KnowsHowManyMoreACheckpointMayHave) {
  EXPECT_OK(WriteDoneBatches(fs_, dir_.path(), 70, {.ranges = {{0, 70}}, .num_perhaps = 12}));
  EXPECT_THAT(Read(70), ElementsAre(BatchRange{0, 70}));
  EXPECT_EQ(ReadDoneBatches(fs_, dir_.path(), 70)->num_perhaps, 12);
}

TEST_F(LeaseFileTest, ForgetsWhatAnOlderRunHadBeyondTheStep) {
  Write(50, {{0, 30}});
  Write(80, {{0, 60}});
  Write(60, {{0, 60}});
  EXPECT_THAT(Read(50), ElementsAre(BatchRange{0, 30}));
  EXPECT_THAT(Read(80), ElementsAre(BatchRange{0, 80}));
}

TEST_F(LeaseFileTest, APageThatIsNoneIsNamed) {
  for (const char* const line :
       {"model.ckpt-70: 5", "model.ckpt-70: 9-5", "model.ckpt-70: 0-5 3-9", "x: 0-1",
        "model.ckpt-70: a-b", "model.ckpt-70: 0-99999999999999999999", "model.ckpt--1: 0-1",
        "model.ckpt-70: +1 0-5", "model.ckpt-70: +"}) {
    std::ofstream(dir_.File("dime/leases")) << line << "\n";
    EXPECT_THAT(ReadDoneBatches(fs_, dir_.path(), 70).status(),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("dime/leases: '")))
        << line;
  }
  Write(70, {{0, 20}});
  EXPECT_THAT(Read(70), ElementsAre(BatchRange{0, 20}));
}

}  // namespace
}  // namespace dime::worker
