#include "cli/data/http_download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "runtime/storage/file_system.h"
#include "tests/support/http_server.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::cli {
namespace {

using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string Patterned(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + (i >> 8));
  return text;
}

class DownloadTest : public ::testing::Test {
 protected:
  absl::Status Fetch() { return Download(server_.Url("/file"), path_, options_); }
  std::string Contents() { return fs_.ReadFile(path_).value_or("(no file)"); }
  void HavePart(std::string_view bytes) { ASSERT_OK(fs_.WriteAtomically(path_, bytes)); }

  dime::testing::HttpServer server_;
  dime::testing::TempDir directory_;
  std::string path_ = directory_.File("file.part");
  storage::FileSystem& fs_ = storage::LocalFileSystem();
  const std::string whole_ = Patterned(300'000);
  DownloadOptions options_;
};

TEST_F(DownloadTest, AFileArrivesWhole) {
  server_.SetReply("/file", {.body = whole_});
  EXPECT_OK(Fetch());
  EXPECT_EQ(Contents(), whole_);
  EXPECT_THAT(server_.requests(), ElementsAre("/file"));
}

TEST_F(DownloadTest, AnEmptyFileArrivesToo) {
  server_.SetReply("/file", {.body = ""});
  EXPECT_OK(Fetch());
  EXPECT_EQ(Contents(), "");
}

TEST_F(DownloadTest, OnlyTheRestIsAskedForWhenTheBeginningIsThere) {
  server_.SetReply("/file", {.body = whole_});
  HavePart(whole_.substr(0, 1000));
  EXPECT_OK(Fetch());
  EXPECT_EQ(Contents(), whole_);
  EXPECT_THAT(server_.requests(), ElementsAre("/file from 1000"));
}

TEST_F(DownloadTest, AServerWithoutRangesSendsItAllAnew) {
  server_.SetReply("/file", {.body = whole_, .honours_range = false});
  HavePart("something else");
  EXPECT_OK(Fetch());
  EXPECT_EQ(Contents(), whole_);
}

TEST_F(DownloadTest, ABeginningThatIsTooLongIsThrownAway) {
  server_.SetReply("/file", {.body = "short"});
  HavePart("a longer text");
  EXPECT_OK(Fetch());
  EXPECT_EQ(Contents(), "short");
  EXPECT_THAT(server_.requests(), ElementsAre("/file from 13", "/file"));
}

TEST_F(DownloadTest, ARangeThatWasNotAskedForIsNotTaken) {
  server_.SetReply("/file",
                   {.body = whole_, .extra_header = "Content-Range: bytes 0-299999/300000\r\n"});
  HavePart(whole_.substr(0, 1000));
  EXPECT_OK(Fetch());
  EXPECT_EQ(Contents(), whole_);
  EXPECT_THAT(server_.requests(), ElementsAre("/file from 1000", "/file"));
}

TEST_F(DownloadTest, ABrokenConnectionIsTakenUpWhereItBroke) {
  server_.SetReply("/file", {.body = whole_, .breaks_after = 100'000});
  EXPECT_OK(Fetch());
  EXPECT_EQ(Contents(), whole_);
  EXPECT_THAT(server_.requests(), ElementsAre("/file", "/file from 100000", "/file from 200000"));
}

TEST_F(DownloadTest, AConnectionThatBreaksWithoutProgressIsGivenUp) {
  server_.SetReply("/file", {.body = whole_, .breaks_after = 0});
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server_.Url("/file"))));
  EXPECT_THAT(server_.requests(), SizeIs(1));
}

TEST_F(DownloadTest, AConnectionThatBreaksAgainAndAgainIsGivenUpAndThePartIsKept) {
  server_.SetReply("/file", {.body = whole_, .breaks_after = 10});
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server_.Url("/file"))));
  EXPECT_EQ(Contents(), whole_.substr(0, 50));
}

TEST_F(DownloadTest, AnHttpErrorIsNamedAndLeavesNoFile) {
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("HTTP status 404")));
  EXPECT_FALSE(fs_.Exists(path_));
}

TEST_F(DownloadTest, AnHttpErrorLeavesWhatWasThere) {
  server_.SetReply("/file", {.status = 503, .body = "busy"});
  HavePart("beginning");
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("HTTP status 503")));
  EXPECT_EQ(Contents(), "beginning");
}

TEST_F(DownloadTest, ARedirectAwayFromHttpsIsRefused) {
  server_.SetReply("/other", {.body = whole_});
  server_.SetReply("/file",
                   {.status = 302,
                    .body = "moved",
                    .extra_header = fmt::format("Location: {}\r\n", server_.Url("/other"))});
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("rotocol")));
  EXPECT_THAT(server_.requests(), ElementsAre("/file"));
}

TEST_F(DownloadTest, ASilentServerIsGivenUpWhenPatienceEnds) {
  server_.SetReply("/file", {.is_silent = true});
  options_.patience = std::chrono::milliseconds(100);
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("within 100 ms")));
  EXPECT_FALSE(fs_.Exists(path_));
}

TEST_F(DownloadTest, AServerThatIsNotThereIsNamed) {
  const std::string url = dime::testing::HttpServer().Url("/file");  // Gone again.
  EXPECT_THAT(
      Download(url, path_, options_),
      StatusIs(absl::StatusCode::kUnavailable, AllOf(HasSubstr(url), HasSubstr("connect"))));
}

TEST_F(DownloadTest, ATooLargeFileIsCutOff) {
  server_.SetReply("/file", {.body = whole_});
  options_.max_bytes = whole_.size() - 1;
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("299999 bytes")));
  EXPECT_LE(Contents().size(), options_.max_bytes);
}

TEST_F(DownloadTest, AStopEndsTheTransfer) {
  server_.SetReply("/file", {.is_silent = true});
  std::stop_source source;
  source.request_stop();
  options_.stop = source.get_token();
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kCancelled, HasSubstr("stopped")));
}

TEST_F(DownloadTest, ProgressCountsWhatWasThereBefore) {
  server_.SetReply("/file", {.body = whole_});
  HavePart(whole_.substr(0, 1000));
  std::uint64_t received = 0;
  std::uint64_t total = 0;
  options_.on_progress = [&](std::uint64_t now, std::uint64_t in_all) {
    EXPECT_GE(now, received);
    received = now;
    total = in_all;
  };
  EXPECT_OK(Fetch());
  EXPECT_EQ(received, whole_.size());
  EXPECT_EQ(total, whole_.size());
}

TEST_F(DownloadTest, ALocalDirectoryThatIsMissingIsNotTheServersFault) {
  server_.SetReply("/file", {.body = whole_});
  path_ = directory_.File("none/file.part");
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kNotFound, HasSubstr(path_)));
}

}  // namespace
}  // namespace dime::cli
