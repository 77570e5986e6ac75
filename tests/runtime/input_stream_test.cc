#include "runtime/storage/input_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/support/gzip.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::storage {
namespace {

using ::dime::testing::Gzip;
using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 40;

std::string RandomBytes(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

class InputStreamTest : public ::testing::Test {
 protected:
  std::string Write(std::string_view contents) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << contents;
    return path_;
  }

  std::unique_ptr<InputStream> Open() {
    auto stream = OpenInputStream(LocalFileSystem(), path_);
    EXPECT_OK(stream);
    return *std::move(stream);
  }

  // What a file with these contents reads as.
  absl::StatusOr<std::string> Read(std::string_view contents) {
    Write(contents);
    return ReadToEnd(*Open(), path_, kNoLimit);
  }

  testing::TempDir directory_;
  std::string path_ = directory_.File("data");
};

TEST_F(InputStreamTest, PlainFilesAreReadAsTheyAre) {
  for (const std::size_t size : {0, 1, 2, 3, 1'000'000, 3'000'000}) {
    const std::string contents = RandomBytes(size, 1);
    ASSERT_OK_AND_ASSIGN(const std::string read, Read(contents));
    EXPECT_TRUE(read == contents) << size;
    EXPECT_FALSE(Open()->is_compressed());
  }
}

TEST_F(InputStreamTest, GzipFilesAreDecompressedWhateverTheirName) {
  for (const std::size_t size : {0, 1, 1'000'000}) {
    for (const int level : {0, 1, 9}) {
      const std::string contents = RandomBytes(size, 2) + std::string(size, 'x');
      ASSERT_OK_AND_ASSIGN(const std::string read, Read(Gzip(contents, level)));
      EXPECT_TRUE(read == contents) << size;
      EXPECT_TRUE(Open()->is_compressed());
    }
  }
}

TEST_F(InputStreamTest, MembersFollowEachOther) {
  const std::string large = RandomBytes(700'000, 3);
  ASSERT_OK_AND_ASSIGN(const std::string read,
                       Read(Gzip("a") + Gzip("") + Gzip(large) + Gzip("b") + Gzip("")));
  EXPECT_TRUE(read == "a" + large + "b");
}

TEST_F(InputStreamTest, ZerosAfterTheLastMemberAreNoData) {
  ASSERT_OK_AND_ASSIGN(const std::string read, Read(Gzip("abc") + std::string(600'000, '\0')));
  EXPECT_EQ(read, "abc");
}

TEST_F(InputStreamTest, BuffersOfAnySizeGiveTheSame) {
  const std::string contents = RandomBytes(50'000, 4) + std::string(100'000, 'x');
  for (const std::string& file :
       {contents, Gzip(contents.substr(0, 70'000)) + Gzip(contents.substr(70'000))}) {
    Write(file);
    for (const std::size_t size : {1, 7, 4096, 149'999, 150'000, 150'001}) {
      const auto stream = Open();
      std::string read;
      std::vector<char> buffer(size);
      for (std::size_t got = size; got == size;) {
        ASSERT_OK_AND_ASSIGN(got, stream->Read(buffer));
        read.append(buffer.data(), got);
      }
      ASSERT_TRUE(read == contents) << size;
      EXPECT_EQ(stream->file_offset(), file.size());
      EXPECT_EQ(stream->file_bytes(), file.size());
      ASSERT_OK_AND_ASSIGN(const std::size_t more, stream->Read(buffer));
      EXPECT_EQ(more, 0u);
    }
  }
}

TEST_F(InputStreamTest, EveryCutOfAGzipFileIsFound) {
  const std::string file = Gzip(RandomBytes(100, 5) + std::string(1000, 'x'));
  for (std::size_t size = 2; size < file.size(); ++size) {
    EXPECT_THAT(Read(file.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(path_), HasSubstr(fmt::format("byte {}", size)))))
        << size;
  }
}

TEST_F(InputStreamTest, EveryFlippedBitOfGzipDataIsFound) {
  constexpr std::size_t kHeaderBytes = 10;
  const std::string file = Gzip("some text, some text, and more");
  ASSERT_OK_AND_ASSIGN(const std::string whole, Read(file));
  for (std::size_t bit = kHeaderBytes * 8; bit < file.size() * 8; ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    const auto read = Read(damaged);
    // Bits that fill up the last byte of the data stand for nothing.
    if (read.ok() && *read == whole) continue;
    EXPECT_THAT(read, StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr(path_), HasSubstr("damaged gzip file"))))
        << "bit " << bit;
  }
}

TEST_F(InputStreamTest, WhatFollowsTheLastMemberIsDamage) {
  const std::string file = Gzip("abc");
  EXPECT_THAT(Read(file + "more"), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("damaged")));
  EXPECT_THAT(Read(file + std::string(3, '\0') + "x"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no gzip data")));
}

TEST_F(InputStreamTest, AFailureStays) {
  Write(Gzip("abc") + "more");
  const auto stream = Open();
  std::vector<char> buffer(10);
  const auto first = stream->Read(buffer);
  EXPECT_THAT(first, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path_)));
  EXPECT_EQ(stream->Read(buffer).status(), first.status());
}

TEST_F(InputStreamTest, AGzipBombIsReadInPieces) {
  constexpr std::size_t kSize = 64 << 20;
  const std::string file = Gzip(std::string(kSize, '\0'), 9);
  ASSERT_LT(file.size(), 100'000u);
  Write(file);
  const auto stream = Open();
  std::vector<char> buffer(1 << 16);
  std::size_t total = 0;
  for (std::size_t got = buffer.size(); got == buffer.size(); total += got) {
    ASSERT_OK_AND_ASSIGN(got, stream->Read(buffer));
  }
  EXPECT_EQ(total, kSize);
  EXPECT_THAT(ReadToEnd(*Open(), path_, 1 << 20),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("when decompressed")));
}

TEST_F(InputStreamTest, AFileThatShrinksIsNamed) {
  for (const std::string& contents :
       {std::string(3'000'000, 'x'), Gzip(RandomBytes(3'000'000, 6))}) {
    Write(contents);
    const auto stream = Open();
    std::vector<char> buffer(1000);
    ASSERT_OK(stream->Read(buffer));
    std::filesystem::resize_file(path_, 500'000);
    const auto rest = ReadToEnd(*stream, path_, kNoLimit);
    EXPECT_THAT(rest, StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr(path_), HasSubstr("became shorter"))));
  }
}

TEST_F(InputStreamTest, WhatIsAppendedAfterOpeningIsNotRead) {
  Write("abc");
  const auto stream = Open();
  std::ofstream(path_, std::ios::app) << "def";
  ASSERT_OK_AND_ASSIGN(const std::string read, ReadToEnd(*stream, path_, kNoLimit));
  EXPECT_EQ(read, "abc");
}

}  // namespace
}  // namespace dime::storage
