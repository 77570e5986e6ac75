#include "runtime/storage/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/limited_file_size.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::storage {
namespace {

using ::dime::testing::IsOk;
using ::dime::testing::LimitedFileSize;
using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Patterned(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + (i >> 8));
  return text;
}

class FileSystemTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.File(name); }
  void Write(const std::string& name, std::string_view contents) {
    ASSERT_OK(fs_.WriteAtomically(Path(name), contents));
  }
  std::string Read(const std::string& name) {
    auto contents = fs_.ReadFile(Path(name));
    EXPECT_OK(contents);
    return contents.ok() ? *contents : "";
  }
  std::vector<std::string> Names() { return *fs_.List(directory_.path()); }

  dime::testing::TempDir directory_;
  FileSystem& fs_ = LocalFileSystem();
};

TEST_F(FileSystemTest, WhatIsWrittenIsReadAtEverySize) {
  for (const std::size_t size : {0, 1, 65'535, 65'536, 65'537, 1'000'003}) {
    const std::string contents = Patterned(size);
    Write("file", contents);
    EXPECT_EQ(Read("file"), contents) << size;
  }
  EXPECT_THAT(Names(), ElementsAre("file"));
}

TEST_F(FileSystemTest, AppendsOfAllSizesAreJoinedInOrder) {
  std::string expected;
  ASSERT_OK_AND_ASSIGN(auto file, fs_.CreateAtomically(Path("file")));
  for (const std::size_t size : {1, 65'536, 3, 0, 200'000, 40'000, 40'000}) {
    ASSERT_OK(file->Append(Patterned(size)));
    expected += Patterned(size);
  }
  ASSERT_OK(file->Commit());
  EXPECT_EQ(Read("file"), expected);
}

TEST_F(FileSystemTest, NothingIsVisibleBeforeCommitAndTheOldFileStays) {
  Write("file", "old");
  ASSERT_OK_AND_ASSIGN(auto file, fs_.CreateAtomically(Path("file")));
  ASSERT_OK(file->Append(Patterned(100'000)));
  EXPECT_EQ(Read("file"), "old");
  ASSERT_OK(file->Commit());
  EXPECT_EQ(Read("file"), Patterned(100'000));
}

TEST_F(FileSystemTest, AnAtomicFileWithoutCommitLeavesNothing) {
  {
    ASSERT_OK_AND_ASSIGN(auto file, fs_.CreateAtomically(Path("file")));
    ASSERT_OK(file->Append("half"));
    EXPECT_THAT(Names(), ElementsAre(HasSubstr(std::string(kTemporaryPrefix))));
    EXPECT_THAT(*fs_.Glob(Path("*")), IsEmpty()) << "a temporary file is found by a pattern";
  }
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(FileSystemTest, TwoWritersOfOneFileDoNotMeet) {
  ASSERT_OK_AND_ASSIGN(auto first, fs_.CreateAtomically(Path("file")));
  ASSERT_OK_AND_ASSIGN(auto second, fs_.CreateAtomically(Path("file")));
  ASSERT_OK(first->Append("first"));
  ASSERT_OK(second->Append("second"));
  ASSERT_OK(second->Commit());
  ASSERT_OK(first->Commit());
  EXPECT_EQ(Read("file"), "first");
}

TEST_F(FileSystemTest, ANameOfTheGreatestLengthCanBeWritten) {
  const std::string name(255, 'n');
  Write(name, "x");
  EXPECT_EQ(Read(name), "x");
}

TEST_F(FileSystemTest, AWrittenFileHasTheModeThatTheUmaskLeaves) {
  Write("file", "x");
  const mode_t mask = umask(0);
  umask(mask);
  struct ::stat status;
  ASSERT_EQ(::stat(Path("file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0666 & ~mask);
}

TEST_F(FileSystemTest, AWriteThatDoesNotFitKeepsTheOldFileAndSaysSo) {
  Write("file", "old");
  {
    const LimitedFileSize limit(100'000);
    EXPECT_THAT(fs_.WriteAtomically(Path("file"), Patterned(300'000)),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("part-file")));
  }
  EXPECT_EQ(Read("file"), "old");
  EXPECT_THAT(Names(), ElementsAre("file"));
}

TEST_F(FileSystemTest, AScratchFileHasNoNameAndHoldsWhatWasAppended) {
  ASSERT_OK_AND_ASSIGN(const auto scratch, fs_.CreateScratch(directory_.path()));
  EXPECT_THAT(Names(), IsEmpty());
  ASSERT_OK(scratch->Append("abc"));
  ASSERT_OK(scratch->Append(Patterned(100'000)));
  std::string read(100'000, '\0');
  ASSERT_OK(scratch->ReadAt(3, read));
  EXPECT_EQ(read, Patterned(100'000));
  EXPECT_THAT(scratch->ReadAt(4, read), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("100003")));
}

TEST_F(FileSystemTest, AScratchFileThatDoesNotFitSaysSo) {
  ASSERT_OK_AND_ASSIGN(const auto scratch, fs_.CreateScratch(directory_.path()));
  const LimitedFileSize limit(100'000);
  EXPECT_THAT(scratch->Append(Patterned(300'000)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("scratch")));
}

TEST_F(FileSystemTest, AFailedAppendCannotBeCommitted) {
  ASSERT_OK_AND_ASSIGN(auto file, fs_.CreateAtomically(Path("file")));
  {
    const LimitedFileSize limit(100'000);
    EXPECT_THAT(file->Append(Patterned(300'000)),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("write")));
  }
  EXPECT_THAT(file->Append("more"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("write")));
  EXPECT_THAT(file->Commit(), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("write")));
  EXPECT_FALSE(fs_.Exists(Path("file")));
}

TEST_F(FileSystemTest, AFailedAppendLeavesNoHalfRecord) {
  ASSERT_OK_AND_ASSIGN(auto file, fs_.OpenForAppend(Path("log")));
  ASSERT_OK(file->Append(Patterned(90'000)));
  ASSERT_OK(file->Flush());
  {
    const LimitedFileSize limit(100'000);
    EXPECT_THAT(file->Append(Patterned(80'000)),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("log")));
  }
  EXPECT_EQ(Read("log"), Patterned(90'000));
  EXPECT_THAT(file->Close(), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("log")));
}

TEST_F(FileSystemTest, FlushedAppendsAreVisibleAndGoOnAtTheEnd) {
  Write("log", "one ");
  ASSERT_OK_AND_ASSIGN(auto file, fs_.OpenForAppend(Path("log")));
  ASSERT_OK(file->Append("two "));
  ASSERT_OK(file->Flush());
  EXPECT_EQ(Read("log"), "one two ");
  ASSERT_OK(file->Append("three"));
  ASSERT_OK(file->Close());
  EXPECT_OK(file->Close());
  EXPECT_EQ(Read("log"), "one two three");
}

TEST_F(FileSystemTest, ReadAtStopsAtTheEnd) {
  Write("file", "0123456789");
  ASSERT_OK_AND_ASSIGN(auto file, fs_.OpenForRead(Path("file")));
  EXPECT_EQ(file->size_bytes(), 10u);
  std::string buffer(4, '?');
  EXPECT_EQ(*file->ReadAt(3, buffer), 4u);
  EXPECT_EQ(buffer, "3456");
  EXPECT_EQ(*file->ReadAt(8, buffer), 2u);
  EXPECT_EQ(buffer, "8956");
  EXPECT_EQ(*file->ReadAt(10, buffer), 0u);
  EXPECT_EQ(*file->ReadAt(1'000'000, buffer), 0u);
}

TEST_F(FileSystemTest, ATooLargeFileIsNotRead) {
  Write("file", "12345");
  EXPECT_EQ(*fs_.ReadFile(Path("file"), 5), "12345");
  EXPECT_THAT(fs_.ReadFile(Path("file"), 4),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(Path("file"))));
  Write("huge", "");
  std::filesystem::resize_file(Path("huge"), std::uintmax_t{1} << 40);
  EXPECT_THAT(fs_.ReadFile(Path("huge")),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("1099511627776 bytes")));
}

TEST_F(FileSystemTest, AMissingFileIsNotFound) {
  const auto not_found = StatusIs(absl::StatusCode::kNotFound, HasSubstr(Path("none")));
  EXPECT_THAT(fs_.OpenForRead(Path("none")), not_found);
  EXPECT_THAT(fs_.ReadFile(Path("none")), not_found);
  EXPECT_THAT(fs_.Stat(Path("none")), not_found);
  EXPECT_THAT(fs_.List(Path("none")), not_found);
  EXPECT_THAT(fs_.WriteAtomically(Path("none/file"), "x"), not_found);
  EXPECT_THAT(fs_.OpenForAppend(Path("none/file")), not_found);
}

TEST_F(FileSystemTest, ADirectoryWhereAFileIsNeededIsRefused) {
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(directory_.path()));
  EXPECT_THAT(fs_.OpenForRead(directory_.path()), refused);
  EXPECT_THAT(fs_.OpenForAppend(directory_.path()), refused);
  EXPECT_THAT(fs_.WriteAtomically(directory_.path(), "x"), refused);
  EXPECT_THAT(fs_.WriteAtomically(directory_.path() + "/", "x"), refused);
  EXPECT_THAT(fs_.DeleteFile(directory_.path()), refused);
}

TEST_F(FileSystemTest, PipesAndDevicesAreRefusedWithoutWaiting) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  for (const std::string& path : {Path("pipe"), std::string("/dev/null")}) {
    const auto refused =
        StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr(path), HasSubstr("pipe")));
    EXPECT_THAT(fs_.OpenForRead(path), refused);
    EXPECT_THAT(fs_.OpenForAppend(path), refused);
    EXPECT_THAT(fs_.WriteAtomically(path, "x"), refused);
    EXPECT_TRUE(fs_.Exists(path));
  }
}

// Drops the superuser's rights, to whom nothing is forbidden.
class AsNobody {
 public:
  AsNobody() {
    if (geteuid() == 0 && seteuid(65534) == 0) dropped_ = true;
  }
  ~AsNobody() {
    if (dropped_ && seteuid(0) != 0) abort();
  }

 private:
  bool dropped_ = false;
};

TEST_F(FileSystemTest, WhatIsForbiddenIsPermissionDenied) {
  Write("file", "x");
  ASSERT_OK(fs_.CreateDirectories(Path("closed")));
  chmod(Path("file").c_str(), 0);
  chmod(Path("closed").c_str(), 0);
  chmod(directory_.path().c_str(), 0555);
  const AsNobody nobody;
  const auto denied = StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr(directory_.path()));
  EXPECT_THAT(fs_.OpenForRead(Path("file")), denied);
  EXPECT_THAT(fs_.WriteAtomically(Path("new"), "x"), denied);
  EXPECT_THAT(fs_.List(Path("closed")), denied);
  EXPECT_THAT(fs_.Glob(Path("closed/*")), denied);
  EXPECT_THAT(fs_.DeleteFile(Path("file")), denied);
  EXPECT_THAT(fs_.CreateDirectories(Path("a/b")), denied);
}

TEST_F(FileSystemTest, StatTellsFilesFromDirectories) {
  Write("file", "12345");
  EXPECT_EQ(fs_.Stat(Path("file"))->size_bytes, 5u);
  EXPECT_FALSE(fs_.Stat(Path("file"))->is_directory);
  EXPECT_TRUE(fs_.Stat(directory_.path())->is_directory);
  EXPECT_TRUE(fs_.Exists(Path("file")));
  EXPECT_FALSE(fs_.Exists(Path("none")));
}

TEST_F(FileSystemTest, ListIsSorted) {
  for (const char* name : {"b", "a", "C", ".hidden", "a2"}) Write(name, "");
  EXPECT_THAT(Names(), ElementsAre(".hidden", "C", "a", "a2", "b"));
}

TEST_F(FileSystemTest, GlobFindsWhatMatchesSorted) {
  ASSERT_OK(fs_.CreateDirectories(Path("d1/sub")));
  ASSERT_OK(fs_.CreateDirectories(Path("d2")));
  for (const char* name : {"d1/b.csv", "d1/a.csv", "d2/c.csv", "d2/c.txt", "d1/[x].csv"}) {
    Write(name, "");
  }
  EXPECT_THAT(*fs_.Glob(Path("d*/*.csv")), ElementsAre(Path("d1/[x].csv"), Path("d1/a.csv"),
                                                       Path("d1/b.csv"), Path("d2/c.csv")));
  EXPECT_THAT(*fs_.Glob(Path("d1/?.csv")), ElementsAre(Path("d1/a.csv"), Path("d1/b.csv")));
  EXPECT_THAT(*fs_.Glob(Path("d1/[b-z].csv")), ElementsAre(Path("d1/b.csv")));
  EXPECT_THAT(*fs_.Glob(Path("d3/*.csv")), IsEmpty());
}

TEST_F(FileSystemTest, GlobReturnsAPlainPathAsItIs) {
  EXPECT_THAT(*fs_.Glob(Path("none.csv")), ElementsAre(Path("none.csv")));
  EXPECT_THAT(*fs_.Glob(""), ElementsAre(""));
}

TEST_F(FileSystemTest, GlobSaysWhichPatternMeetsAnUnreadableDirectory) {
  std::filesystem::create_symlink("loop", Path("loop"));
  EXPECT_THAT(fs_.Glob(Path("loop/*")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(Path("loop/*"))));
}

TEST_F(FileSystemTest, DirectoriesAreMadeWithTheirParentsAndMayExist) {
  EXPECT_OK(fs_.CreateDirectories(Path("a/b/c")));
  EXPECT_OK(fs_.CreateDirectories(Path("a/b/c")));
  EXPECT_TRUE(fs_.Stat(Path("a/b/c"))->is_directory);
  Write("file", "");
  EXPECT_THAT(fs_.CreateDirectories(Path("file")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(Path("file"))));
}

TEST_F(FileSystemTest, DeletingWhatIsNotThereIsNoError) {
  Write("file", "");
  EXPECT_OK(fs_.DeleteFile(Path("file")));
  EXPECT_FALSE(fs_.Exists(Path("file")));
  EXPECT_OK(fs_.DeleteFile(Path("file")));
  ASSERT_OK(fs_.CreateDirectories(Path("tree/deep")));
  Write("tree/deep/file", "");
  EXPECT_OK(fs_.DeleteTree(Path("tree")));
  EXPECT_FALSE(fs_.Exists(Path("tree")));
  EXPECT_OK(fs_.DeleteTree(Path("tree")));
}

TEST_F(FileSystemTest, APublishedDirectoryAppearsWhole) {
  ASSERT_OK(fs_.CreateDirectories(Path("new/variables")));
  Write("new/variables/file", "x");
  ASSERT_OK(fs_.PublishDirectory(Path("new"), Path("export")));
  EXPECT_EQ(Read("export/variables/file"), "x");
  EXPECT_FALSE(fs_.Exists(Path("new")));
}

TEST_F(FileSystemTest, PublishingNeverReplaces) {
  ASSERT_OK(fs_.CreateDirectories(Path("new")));
  ASSERT_OK(fs_.CreateDirectories(Path("old")));  // Empty: rename(2) alone would replace it.
  EXPECT_THAT(fs_.PublishDirectory(Path("new"), Path("old")),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(Path("old"))));
  EXPECT_TRUE(fs_.Exists(Path("new")));
  EXPECT_THAT(fs_.PublishDirectory(Path("none"), Path("other")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(Path("none"))));
}

TEST_F(FileSystemTest, ALockedDirectoryIsLockedForOthersUntilItIsReleased) {
  ASSERT_OK(fs_.CreateDirectories(Path("job")));
  {
    ASSERT_OK_AND_ASSIGN(const auto lock, fs_.LockDirectory(Path("job")));
    EXPECT_NE(lock, nullptr);
    EXPECT_THAT(fs_.LockDirectory(Path("job")),
                StatusIs(absl::StatusCode::kAborted, HasSubstr(Path("job"))));
  }
  EXPECT_OK(fs_.LockDirectory(Path("job")));
  EXPECT_THAT(*fs_.List(Path("job")), IsEmpty());
  EXPECT_THAT(fs_.LockDirectory(Path("none")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(Path("none"))));
}

TEST(FileSystemForTest, LocalPathsAreServedAndOtherSchemesNamed) {
  for (const char* path : {"a/b", "/a/b", "", "a/b://c"}) {
    EXPECT_EQ(*FileSystemFor(path), &LocalFileSystem()) << path;
  }
  EXPECT_THAT(FileSystemFor("gs://bucket/x"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("gs://bucket/x"), HasSubstr("files at gs:// are not"))));
}

TEST(PathTest, JoiningPutsExactlyOneSlashBetween) {
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "/b"), "a/b");
  EXPECT_EQ(JoinPath("/", "b"), "/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(JoinPath("a", ""), "a/");
}

TEST(PathTest, DirAndBaseNameSplitAtTheLastSlash) {
  EXPECT_EQ(BaseName("a/b/c"), "c");
  EXPECT_EQ(BaseName("c"), "c");
  EXPECT_EQ(BaseName("a/"), "");
  EXPECT_EQ(DirName("a/b/c"), "a/b");
  EXPECT_EQ(DirName("c"), ".");
  EXPECT_EQ(DirName("/c"), "/");
}

}  // namespace
}  // namespace dime::storage
