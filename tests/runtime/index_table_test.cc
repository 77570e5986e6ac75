#include "runtime/checkpoint/internal/index_table.h"

#include <gmock/gmock.h>
#include <leveldb/env.h>
#include <leveldb/options.h>
#include <leveldb/table_builder.h>

#include <memory>

#include "runtime/base/crc32c.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::checkpoint::internal {
namespace {

using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::_;
using ::testing::HasSubstr;

IndexEntries ManyEntries(int count) {
  IndexEntries entries = {{"", "header"}};
  for (int i = 0; i < count; ++i) {
    entries[fmt::format("dnn/layer_{:04}/kernel", i)] = std::string(i % 97, static_cast<char>(i));
  }
  return entries;
}

// The table as LevelDB itself writes it with these options.
std::string LevelDbTable(const IndexEntries& entries, leveldb::CompressionType compression,
                         std::size_t block_size) {
  const TempDir dir;
  leveldb::Env* env = leveldb::Env::Default();
  leveldb::WritableFile* raw = nullptr;
  EXPECT_TRUE(env->NewWritableFile(dir.File("table"), &raw).ok());
  const std::unique_ptr<leveldb::WritableFile> file(raw);
  leveldb::Options options;
  options.compression = compression;
  options.block_size = block_size;
  leveldb::TableBuilder builder(options, file.get());
  for (const auto& [key, value] : entries) builder.Add(key, value);
  EXPECT_TRUE(builder.Finish().ok());
  EXPECT_TRUE(file->Close().ok());
  std::string contents;
  EXPECT_TRUE(leveldb::ReadFileToString(env, dir.File("table"), &contents).ok());
  return contents;
}

// A table of one block with these bytes, all CRCs right.
std::string TableWithBlock(const std::string& block, char compression = 0) {
  const auto with_trailer = [](std::string bytes, char type) {
    bytes.push_back(type);
    const std::uint32_t crc = base::MaskCrc32c(base::Crc32c(bytes));
    bytes.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
    return bytes;
  };
  const std::string empty_block("\0\0\0\0\1\0\0\0", 8);
  const auto block_size = static_cast<char>(block.size());
  const std::string index_block =
      std::string("\0\1\2k", 4) + '\0' + block_size + std::string("\0\0\0\0\1\0\0\0", 8);
  std::string table = with_trailer(block, compression);
  const auto metaindex_offset = static_cast<char>(table.size());
  table += with_trailer(empty_block, 0);
  const auto index_offset = static_cast<char>(table.size());
  table += with_trailer(index_block, 0);
  std::string footer = {metaindex_offset, 8, index_offset, static_cast<char>(index_block.size())};
  footer.resize(40);
  return table + footer + "\x57\xfb\x80\x8b\x24\x75\x47\xdb";
}

std::string Restarts(std::uint32_t count) {
  std::string bytes(count * 4, '\0');
  bytes.append(reinterpret_cast<const char*>(&count), sizeof(count));
  return bytes;
}

TEST(IndexTableTest, EntriesComeBackAsTheyWere) {
  for (const int count : {0, 1, 15, 16, 17, 5000}) {
    const IndexEntries entries = ManyEntries(count);
    ASSERT_OK_AND_ASSIGN(const IndexEntries again, ParseIndexTable(BuildIndexTable(entries)));
    EXPECT_EQ(again, entries) << count;
  }
}

TEST(IndexTableTest, TablesOfOtherWritersAreRead) {
  const IndexEntries entries = ManyEntries(2000);
  for (const auto compression : {leveldb::kNoCompression, leveldb::kSnappyCompression}) {
    for (const std::size_t block_size : {std::size_t{1}, std::size_t{4096}, std::size_t{1} << 20}) {
      ASSERT_OK_AND_ASSIGN(const IndexEntries again,
                           ParseIndexTable(LevelDbTable(entries, compression, block_size)));
      EXPECT_EQ(again, entries) << "compression " << compression << ", block " << block_size;
    }
  }
}

TEST(IndexTableTest, WhatIsCompressedBestIsRead) {
  const IndexEntries entries = {{"", std::string(1'000'000, 'x')}};
  const std::string table = LevelDbTable(entries, leveldb::kSnappyCompression, 4096);
  ASSERT_LT(table.size(), 50'000u);
  ASSERT_OK_AND_ASSIGN(const IndexEntries again, ParseIndexTable(table));
  EXPECT_EQ(again, entries);
}

TEST(IndexTableTest, EveryFlippedBitIsFound) {
  const IndexEntries entries = ManyEntries(40);
  for (const std::string& table : {BuildIndexTable(entries), BuildIndexTable({}),
                                   LevelDbTable(entries, leveldb::kSnappyCompression, 512)}) {
    ASSERT_OK(ParseIndexTable(table));
    for (std::size_t bit = 0; bit < table.size() * 8; ++bit) {
      std::string damaged = table;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      ASSERT_THAT(ParseIndexTable(damaged), StatusIs(absl::StatusCode::kDataLoss, _))
          << "bit " << bit << " of byte " << bit / 8 << " of " << table.size();
    }
  }
}

TEST(IndexTableTest, EveryCutIsFound) {
  const std::string table = BuildIndexTable(ManyEntries(20));
  for (std::size_t size = 0; size < table.size(); ++size) {
    EXPECT_THAT(ParseIndexTable(std::string_view(table).substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, _))
        << size;
  }
}

TEST(IndexTableTest, BlocksThatAreMalformedDespiteTheirCrcAreRefused) {
  const auto status_of = [](const std::string& block) {
    return ParseIndexTable(TableWithBlock(block)).status();
  };
  ASSERT_OK(status_of(std::string("\0\1\1kv", 5) + Restarts(1)));
  EXPECT_THAT(status_of(""), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed")));
  // More restarts than the block has room for.
  EXPECT_THAT(status_of("\xff\xff\xff\xff"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed")));
  // A key that shares bytes with a key that is not there.
  EXPECT_THAT(status_of(std::string("\5\1\1kv", 5) + Restarts(1)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed")));
  // Lengths whose sum overflows.
  EXPECT_THAT(status_of(std::string("\0\xff\xff\xff\xff\x0f\1kv", 9) + Restarts(1)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed")));
  EXPECT_THAT(status_of(std::string("\0\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1kv", 14)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed")));
  // A number without an end.
  EXPECT_THAT(status_of(std::string("\x80", 1) + Restarts(1)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed")));
}

TEST(IndexTableTest, KeysOutOfOrderOrTwiceAreRefused) {
  for (const char* const keys : {"ba", "aa"}) {
    const std::string block = std::string("\0\1\1", 3) + keys[0] + "v" + std::string("\0\1\1", 3) +
                              keys[1] + "v" + Restarts(1);
    EXPECT_THAT(ParseIndexTable(TableWithBlock(block)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not in order")));
  }
}

TEST(IndexTableTest, BadCompressedBlocksAreRefused) {
  EXPECT_THAT(ParseIndexTable(TableWithBlock("\xff\xff\xff\xff\x0f", 1)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("uncompressed size")));
  // 128 MiB out of five bytes.
  EXPECT_THAT(ParseIndexTable(TableWithBlock("\x80\x80\x80\x40z", 1)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("uncompressed size")));
  EXPECT_THAT(ParseIndexTable(TableWithBlock("\x08zzz", 1)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("cannot be uncompressed")));
  EXPECT_THAT(ParseIndexTable(TableWithBlock("x", 7)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("unknown compression 7")));
}

}  // namespace
}  // namespace dime::checkpoint::internal
