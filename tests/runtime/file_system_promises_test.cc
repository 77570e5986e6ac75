// What every file system promises, whatever it stands on. One that is added comes into the list at
// the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/storage/file_system.h"
#include "tests/support/memory_file_system.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::storage {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FileSystemPromises : public ::testing::TestWithParam<const char*> {
 protected:
  FileSystemPromises() {
    if (GetParam() == std::string("memory")) {
      memory_ = dime::testing::NewMemoryFileSystem();
      EXPECT_OK(memory_->CreateDirectories(directory_.path()));
    }
  }

  FileSystem& fs() { return memory_ ? *memory_ : LocalFileSystem(); }
  std::string Path(const std::string& name) const { return directory_.File(name); }
  void Write(const std::string& name, std::string_view contents) {
    ASSERT_OK(fs().WriteAtomically(Path(name), contents));
  }
  std::string Read(const std::string& name) {
    return fs().ReadFile(Path(name)).value_or("(no file)");
  }
  std::vector<std::string> Names() { return *fs().List(directory_.path()); }

 private:
  std::unique_ptr<FileSystem> memory_;
  dime::testing::TempDir directory_;
};

TEST_P(FileSystemPromises, WhatIsWrittenIsReadAndReplaced) {
  for (const std::string contents : {"", "one", "a longer text"}) {
    Write("file", contents);
    EXPECT_EQ(Read("file"), contents);
    EXPECT_EQ(fs().Stat(Path("file"))->size_bytes, contents.size());
  }
  EXPECT_THAT(Names(), ElementsAre("file"));
}

TEST_P(FileSystemPromises, AReaderKeepsWhatItOpened) {
  Write("file", "before");
  ASSERT_OK_AND_ASSIGN(const auto reader, fs().OpenForRead(Path("file")));
  Write("file", "afterwards");
  std::string buffer(100, '\0');
  ASSERT_OK_AND_ASSIGN(const std::size_t size, reader->ReadAt(2, buffer));
  EXPECT_EQ(buffer.substr(0, size), "fore");
  EXPECT_EQ(*reader->ReadAt(6, buffer), 0u);
  EXPECT_EQ(*reader->ReadAt(7, buffer), 0u);
  EXPECT_EQ(reader->size_bytes(), 6u);
}

TEST_P(FileSystemPromises, NothingIsVisibleBeforeCommit) {
  Write("file", "old");
  {
    ASSERT_OK_AND_ASSIGN(const auto file, fs().CreateAtomically(Path("file")));
    ASSERT_OK(file->Append("new"));
    EXPECT_EQ(Read("file"), "old");
  }
  EXPECT_THAT(Names(), ElementsAre("file"));
  EXPECT_EQ(Read("file"), "old");
}

TEST_P(FileSystemPromises, FlushedAppendsAreVisibleAndGoOnAtTheEnd) {
  for (const char* text : {"one ", "two"}) {
    ASSERT_OK_AND_ASSIGN(const auto file, fs().OpenForAppend(Path("file")));
    ASSERT_OK(file->Append(text));
    ASSERT_OK(file->Flush());
    EXPECT_THAT(Read("file"), HasSubstr(text));
    ASSERT_OK(file->Close());
  }
  EXPECT_EQ(Read("file"), "one two");
}

TEST_P(FileSystemPromises, AMissingFileIsNotFound) {
  const auto not_found = StatusIs(absl::StatusCode::kNotFound, HasSubstr(Path("none")));
  EXPECT_THAT(fs().OpenForRead(Path("none")), not_found);
  EXPECT_THAT(fs().Stat(Path("none")), not_found);
  EXPECT_THAT(fs().List(Path("none")), not_found);
  EXPECT_THAT(fs().WriteAtomically(Path("none/file"), "x"), not_found);
  EXPECT_THAT(fs().OpenForAppend(Path("none/file")), not_found);
  EXPECT_THAT(fs().LockDirectory(Path("none")), not_found);
  EXPECT_THAT(fs().PublishDirectory(Path("none"), Path("other")), not_found);
}

TEST_P(FileSystemPromises, ADirectoryWhereAFileIsNeededIsRefused) {
  ASSERT_OK(fs().CreateDirectories(Path("d")));
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(Path("d")));
  EXPECT_THAT(fs().OpenForRead(Path("d")), refused);
  EXPECT_THAT(fs().OpenForAppend(Path("d")), refused);
  EXPECT_THAT(fs().WriteAtomically(Path("d"), "x"), refused);
  EXPECT_THAT(fs().WriteAtomically(Path("d/"), "x"), refused);
  EXPECT_THAT(fs().DeleteFile(Path("d")), refused);
}

TEST_P(FileSystemPromises, AFileWhereADirectoryIsNeededIsRefused) {
  Write("file", "");
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(Path("file")));
  EXPECT_THAT(fs().CreateDirectories(Path("file")), refused);
  EXPECT_THAT(fs().List(Path("file")), refused);
  EXPECT_THAT(fs().WriteAtomically(Path("file/x"), ""), refused);
  EXPECT_THAT(fs().LockDirectory(Path("file")), refused);
}

TEST_P(FileSystemPromises, NamesAreListedInOrderOneLevelDeep) {
  ASSERT_OK(fs().CreateDirectories(Path("d/sub")));
  for (const char* name : {"b", "a", "C", ".hidden", "d/e"}) Write(name, "");
  EXPECT_THAT(Names(), ElementsAre(".hidden", "C", "a", "b", "d"));
  EXPECT_THAT(*fs().List(Path("d/")), ElementsAre("e", "sub"));
  EXPECT_TRUE(fs().Stat(Path("d"))->is_directory);
  EXPECT_FALSE(fs().Stat(Path("a"))->is_directory);
}

TEST_P(FileSystemPromises, GlobFindsWhatMatchesSorted) {
  ASSERT_OK(fs().CreateDirectories(Path("d1")));
  ASSERT_OK(fs().CreateDirectories(Path("d2")));
  for (const char* name : {"d1/b.csv", "d1/a.csv", "d2/c.csv", "d2/c.txt", "d1/.x.csv"}) {
    Write(name, "");
  }
  EXPECT_THAT(*fs().Glob(Path("d*/*.csv")),
              ElementsAre(Path("d1/a.csv"), Path("d1/b.csv"), Path("d2/c.csv")));
  EXPECT_THAT(*fs().Glob(Path("d1/[b-z].csv")), ElementsAre(Path("d1/b.csv")));
  EXPECT_THAT(*fs().Glob(Path("none.csv")), ElementsAre(Path("none.csv")));
  EXPECT_THAT(*fs().Glob(Path("d3/*.csv")), IsEmpty());
}

TEST_P(FileSystemPromises, DeletingWhatIsNotThereIsNoError) {
  ASSERT_OK(fs().CreateDirectories(Path("tree/deep")));
  Write("tree/deep/file", "");
  Write("trees", "");
  for (int i = 0; i < 2; ++i) {
    EXPECT_OK(fs().DeleteFile(Path("tree/deep/file")));
    EXPECT_FALSE(fs().Exists(Path("tree/deep/file")));
  }
  for (int i = 0; i < 2; ++i) EXPECT_OK(fs().DeleteTree(Path("tree")));
  EXPECT_THAT(Names(), ElementsAre("trees"));
}

TEST_P(FileSystemPromises, APublishedDirectoryAppearsWholeAndReplacesNothing) {
  ASSERT_OK(fs().CreateDirectories(Path("new/variables")));
  Write("new/variables/file", "x");
  ASSERT_OK(fs().CreateDirectories(Path("old")));
  EXPECT_THAT(fs().PublishDirectory(Path("new"), Path("old")),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(Path("old"))));
  ASSERT_OK(fs().PublishDirectory(Path("new"), Path("export")));
  EXPECT_EQ(Read("export/variables/file"), "x");
  EXPECT_THAT(Names(), ElementsAre("export", "old"));
}

TEST_P(FileSystemPromises, ALockedDirectoryIsLockedUntilItIsReleased) {
  ASSERT_OK(fs().CreateDirectories(Path("job")));
  {
    ASSERT_OK_AND_ASSIGN(const auto lock, fs().LockDirectory(Path("job")));
    EXPECT_THAT(fs().LockDirectory(Path("job")),
                StatusIs(absl::StatusCode::kAborted, HasSubstr(Path("job"))));
  }
  EXPECT_OK(fs().LockDirectory(Path("job")));
}

INSTANTIATE_TEST_SUITE_P(All, FileSystemPromises, ::testing::Values("local", "memory"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace dime::storage
