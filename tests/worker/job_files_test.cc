#include "worker/coordination/job_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::worker {
namespace {

using ::dime::testing::StatusIs;
using ::testing::HasSubstr;

class JobFilesTest : public ::testing::Test {
 protected:
  void WriteToken(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path_) << text;
    chmod(path_.c_str(), mode);
  }

  const dime::testing::TempDir dir_;
  const std::string path_ = dir_.File("token");
};

TEST_F(JobFilesTest, ATokenIsItsOwnersAloneAndGoesWithItsMaster) {
  {
    const auto file = TokenFile::Create(path_);
    ASSERT_OK(file);
    struct stat info {};
    ASSERT_EQ(stat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    EXPECT_EQ((*file)->token().bytes().size(), 64u);
    EXPECT_EQ(*ReadTokenFile(path_), (*file)->token());
  }
  EXPECT_THAT(ReadTokenFile(path_), StatusIs(absl::StatusCode::kNotFound, HasSubstr(path_)));
}

TEST_F(JobFilesTest, TwoMastersDoNotShareAToken) {
  const auto first = TokenFile::Create(path_);
  ASSERT_OK(first);
  EXPECT_THAT(TokenFile::Create(path_),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("another master")));
  EXPECT_EQ(*ReadTokenFile(path_), (*first)->token());
}

TEST_F(JobFilesTest, WhatAKilledMasterHasLeftIsReplaced) {
  WriteToken(std::string(64, 'a'));
  const auto file = TokenFile::Create(path_);
  ASSERT_OK(file);
  EXPECT_NE((*file)->token().bytes(), std::string(64, 'a'));
}

TEST_F(JobFilesTest, ATokenThatOthersMayReadIsRefused) {
  for (const mode_t mode : {0640, 0604, 0660}) {
    WriteToken(std::string(32, 'a'), mode);
    EXPECT_THAT(ReadTokenFile(path_),
                StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("chmod 600")));
  }
}

TEST_F(JobFilesTest, ATokenIsOfASensibleLength) {
  WriteToken("");
  EXPECT_TRUE(absl::IsNotFound(ReadTokenFile(path_).status()));  // It is about to be written.
  WriteToken("short\n");
  EXPECT_TRUE(absl::IsInvalidArgument(ReadTokenFile(path_).status()));
  WriteToken(std::string(2000, 'a'));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadTokenFile(path_).status()));
  WriteToken(std::string(32, 'a') + "\n");
  EXPECT_EQ(ReadTokenFile(path_)->bytes(), std::string(32, 'a'));
}

TEST_F(JobFilesTest, ADirectoryIsNoToken) {
  EXPECT_TRUE(absl::IsInvalidArgument(ReadTokenFile(dir_.path()).status()));
}

TEST_F(JobFilesTest, AMastersPageIsReadBack) {
  const MasterPage page = {.run = "1234.5",
                           .host = "a boot and a namespace",
                           .addresses = {{.kind = net::Address::Kind::kUnix, .host = "@name"},
                                         {.host = "10.0.0.7", .port = 2222}}};
  ASSERT_OK(WriteMasterPage(path_, page));
  ASSERT_OK(WriteMasterPage(path_, page));  // Over the one that is there.
  const auto read = ReadMasterPage(path_);
  ASSERT_OK(read);
  EXPECT_EQ(read->run, page.run);
  EXPECT_EQ(read->host, page.host);
  EXPECT_EQ(read->addresses, page.addresses);
}

TEST_F(JobFilesTest, WhatIsNoPageIsNamed) {
  EXPECT_TRUE(absl::IsNotFound(ReadMasterPage(path_).status()));
  WriteToken("something else\n");
  EXPECT_THAT(ReadMasterPage(path_), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path_)));
}

}  // namespace
}  // namespace dime::worker
