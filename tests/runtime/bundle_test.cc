#include "runtime/checkpoint/bundle.h"

#include <gmock/gmock.h>

#include <cstring>

#include "runtime/base/crc32c.h"
#include "runtime/checkpoint/internal/index_table.h"
#include "runtime/checkpoint/proto/tensor_bundle.pb.h"
#include "tests/runtime/checkpoint_files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::checkpoint {
namespace {

using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Shape = std::vector<std::int64_t>;

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

std::string ReadFile(const std::string& path) {
  absl::StatusOr<std::string> contents = Files().ReadFile(path);
  EXPECT_OK(contents);
  return *std::move(contents);
}

void WriteSmallBundle(const std::string& prefix) {
  ASSERT_OK_AND_ASSIGN(const auto writer, BundleWriter::Create(Files(), prefix));
  ASSERT_OK(writer->AddFloats("w", Shape{2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6}));
  ASSERT_OK(writer->AddInt64("global_step", 1000));
  ASSERT_OK(writer->AddFloats("empty", Shape{0, 4}, {}));
  ASSERT_OK(writer->AddFloats("bias", Shape{}, std::vector<float>{-0.5f}));
  ASSERT_OK(writer->Finish());
}

absl::Status OpenAndVerify(const std::string& prefix) {
  DIME_ASSIGN_OR_RETURN(const auto reader, BundleReader::Open(Files(), prefix));
  return reader->Verify();
}

// Writes a bundle whose index has right CRCs, whatever the entries say.
void WriteCrafted(const std::string& prefix, const proto::BundleHeaderProto& header,
                  const std::map<std::string, proto::BundleEntryProto>& tensors,
                  const std::vector<std::string>& data_files) {
  internal::IndexEntries entries = {{"", header.SerializeAsString()}};
  for (const auto& [name, entry] : tensors) entries[name] = entry.SerializeAsString();
  ASSERT_OK(Files().WriteAtomically(prefix + ".index", internal::BuildIndexTable(entries)));
  for (std::size_t i = 0; i < data_files.size(); ++i) {
    ASSERT_OK(Files().WriteAtomically(
        fmt::format("{}.data-{:05}-of-{:05}", prefix, i, data_files.size()), data_files[i]));
  }
}

proto::BundleHeaderProto HeaderOf(int num_shards) {
  proto::BundleHeaderProto header;
  header.set_num_shards(num_shards);
  return header;
}

proto::BundleEntryProto EntryOf(DataType type, const Shape& shape, std::string_view bytes) {
  proto::BundleEntryProto entry;
  entry.set_dtype(static_cast<records::proto::DataType>(type));
  for (const std::int64_t size : shape) entry.mutable_shape()->add_dim()->set_size(size);
  entry.set_size(static_cast<std::int64_t>(bytes.size()));
  entry.set_crc32c(base::MaskCrc32c(base::Crc32c(bytes)));
  return entry;
}

TEST(BundleTest, BytesAreThoseOfTensorFlow) {
  const TempDir dir;
  const std::string prefix = dir.File("model.ckpt-0");
  ASSERT_OK_AND_ASSIGN(const auto writer, BundleWriter::Create(Files(), prefix));
  ASSERT_OK(writer->AddFloats("counter", {}, std::vector<float>{0}));
  ASSERT_OK(writer->Finish());
  EXPECT_EQ(ReadFile(prefix + ".data-00000-of-00001"), std::string(4, '\0'));
  EXPECT_EQ(ReadFile(prefix + ".index"),
            FromHex("00000608011a02080100070b636f756e74657208011200280435a67b113a0000000001000000"
                    "005fa0107300000000010000"
                    "0000c0f2a1b000010264002600000000010000000022b16103"
                    "2b08380e"
                    "000000000000000000000000000000000000000000000000000000000000000000000000"
                    "57fb808b247547db"));
}

TEST(BundleTest, TensorsComeBackAsTheyWere) {
  const TempDir dir;
  WriteSmallBundle(dir.File("b"));
  ASSERT_OK_AND_ASSIGN(const auto reader, BundleReader::Open(Files(), dir.File("b")));
  EXPECT_EQ(reader->tensors().size(), 4u);
  EXPECT_EQ(reader->tensors().find("w")->second, (TensorInfo{DataType::kFloat, {2, 3}}));
  EXPECT_EQ(reader->tensors().find("global_step")->second, (TensorInfo{DataType::kInt64, {}}));
  std::vector<float> values(6);
  ASSERT_OK(reader->ReadFloats("w", values));
  EXPECT_THAT(values, ElementsAre(1, 2, 3, 4, 5, 6));
  ASSERT_OK(reader->ReadFloats("bias", std::span(values).first(1)));
  EXPECT_EQ(values[0], -0.5f);
  ASSERT_OK(reader->ReadFloats("empty", {}));
  ASSERT_OK_AND_ASSIGN(const std::int64_t step, reader->ReadInt64("global_step"));
  EXPECT_EQ(step, 1000);
  EXPECT_OK(reader->Verify());
}

TEST(BundleTest, BundleWithoutTensorsIsOne) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto writer, BundleWriter::Create(Files(), dir.File("b")));
  ASSERT_OK(writer->Finish());
  ASSERT_OK_AND_ASSIGN(const auto reader, BundleReader::Open(Files(), dir.File("b")));
  EXPECT_THAT(reader->tensors(), IsEmpty());
  EXPECT_OK(reader->Verify());
}

TEST(BundleTest, PiecesGiveTheSameBytesAsTheWhole) {
  const TempDir dir;
  const std::vector<float> values(300000, 1.5f);
  const Shape shape = {300, 1000};
  ASSERT_OK_AND_ASSIGN(const auto whole, BundleWriter::Create(Files(), dir.File("whole")));
  ASSERT_OK(whole->AddFloats("w", shape, values));
  ASSERT_OK(whole->Finish());
  ASSERT_OK_AND_ASSIGN(const auto pieces, BundleWriter::Create(Files(), dir.File("pieces")));
  ASSERT_OK(pieces->BeginFloats("w", shape));
  for (std::size_t start = 0; start < values.size(); start += 70000) {
    const std::size_t count = std::min<std::size_t>(70000, values.size() - start);
    ASSERT_OK(pieces->AppendFloats(std::span(values).subspan(start, count)));
  }
  ASSERT_OK(pieces->EndTensor());
  ASSERT_OK(pieces->Finish());
  EXPECT_EQ(ReadFile(dir.File("pieces.index")), ReadFile(dir.File("whole.index")));
  EXPECT_EQ(ReadFile(dir.File("pieces.data-00000-of-00001")),
            ReadFile(dir.File("whole.data-00000-of-00001")));
  EXPECT_OK(OpenAndVerify(dir.File("pieces")));
}

TEST(BundleTest, EveryFlippedBitIsFound) {
  const TempDir dir;
  const std::string prefix = dir.File("b");
  WriteSmallBundle(prefix);
  ASSERT_OK(OpenAndVerify(prefix));
  for (const std::string& path : BundleFiles(prefix)) {
    const std::string file = ReadFile(path);
    for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
      std::string damaged = file;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      ASSERT_OK(Files().WriteAtomically(path, damaged));
      ASSERT_THAT(OpenAndVerify(prefix), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(prefix)))
          << "bit " << bit << " of " << path;
    }
    ASSERT_OK(Files().WriteAtomically(path, file));
  }
}

TEST(BundleTest, DamageNamesFileTensorAndBothChecksums) {
  const TempDir dir;
  WriteSmallBundle(dir.File("b"));
  std::string data = ReadFile(dir.File("b.data-00000-of-00001"));
  data[0] = 1;
  ASSERT_OK(Files().WriteAtomically(dir.File("b.data-00000-of-00001"), data));
  EXPECT_THAT(OpenAndVerify(dir.File("b")),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("b.data-00000-of-00001"), HasSubstr("'w'"),
                             HasSubstr("expected"), HasSubstr("CRC"))));
}

TEST(BundleTest, CutDataFileIsFoundWhenOpened) {
  const TempDir dir;
  WriteSmallBundle(dir.File("b"));
  const std::string data = ReadFile(dir.File("b.data-00000-of-00001"));
  ASSERT_OK(
      Files().WriteAtomically(dir.File("b.data-00000-of-00001"), data.substr(0, data.size() - 1)));
  EXPECT_THAT(BundleReader::Open(Files(), dir.File("b")),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("'bias'"), HasSubstr("36"), HasSubstr("35"))));
}

TEST(BundleTest, MissingFilesAreToldApart) {
  const TempDir dir;
  WriteSmallBundle(dir.File("b"));
  EXPECT_THAT(BundleReader::Open(Files(), dir.File("other")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("other.index")));
  ASSERT_OK(Files().DeleteFile(dir.File("b.data-00000-of-00001")));
  EXPECT_THAT(BundleReader::Open(Files(), dir.File("b")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("missing")));
}

TEST(BundleTest, CraftedEntriesAreRefused) {
  const TempDir dir;
  const std::string data(24, 'x');
  const proto::BundleEntryProto good = EntryOf(DataType::kFloat, {2, 3}, data);
  const auto status_of = [&](const proto::BundleEntryProto& entry) {
    WriteCrafted(dir.File("b"), HeaderOf(1), {{"t", entry}}, {data});
    return OpenAndVerify(dir.File("b"));
  };
  ASSERT_OK(status_of(good));

  const auto with_shape = [&](const Shape& shape) {
    return EntryOf(DataType::kFloat, shape, data);
  };
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  const auto is_damage = [](const char* text) {
    return StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("'t'"), HasSubstr(text)));
  };
  EXPECT_THAT(status_of(with_shape({-2, -3})), is_damage("impossible"));
  EXPECT_THAT(status_of(with_shape({kHuge, kHuge})), is_damage("impossible"));
  EXPECT_THAT(status_of(with_shape({kHuge})), is_damage("impossible"));
  EXPECT_THAT(status_of(with_shape({2, 4})), is_damage("expected 32"));
  EXPECT_THAT(status_of(EntryOf(DataType::kString, {25}, data)), is_damage("at least 25"));

  proto::BundleEntryProto entry = good;
  entry.mutable_shape()->set_unknown_rank(true);
  EXPECT_THAT(status_of(entry), is_damage("unknown"));
  entry = good;
  entry.set_offset(1);
  EXPECT_THAT(status_of(entry), is_damage("reach over the end"));
  entry.set_offset(-1);
  EXPECT_THAT(status_of(entry), is_damage("byte -1"));
  entry.set_offset(INT64_MAX);
  EXPECT_THAT(status_of(entry), is_damage("reach over the end"));
  entry = good;
  entry.set_size(-24);
  EXPECT_THAT(status_of(entry), is_damage("-24 bytes"));
  entry = good;
  entry.set_shard_id(1);
  EXPECT_THAT(status_of(entry), is_damage("data file 1"));
  entry.set_shard_id(-1);
  EXPECT_THAT(status_of(entry), is_damage("data file -1"));
}

TEST(BundleTest, WhatIsFineButNotReadIsUnimplemented) {
  const TempDir dir;
  const std::string data(24, 'x');
  proto::BundleEntryProto partitioned = EntryOf(DataType::kFloat, {2, 3}, data);
  proto::TensorSliceProto* const columns = partitioned.add_slices();
  columns->add_extent();
  columns->add_extent()->set_length(2);
  WriteCrafted(dir.File("b"), HeaderOf(1), {{"t", partitioned}}, {data});
  EXPECT_THAT(BundleReader::Open(Files(), dir.File("b")),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("'t'"), HasSubstr("dimension 1"))));

  WriteCrafted(dir.File("b"), HeaderOf(1),
               {{"t", EntryOf(static_cast<DataType>(99), {2, 3}, data)}}, {data});
  EXPECT_THAT(BundleReader::Open(Files(), dir.File("b")),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("type 99")));

  proto::BundleHeaderProto header = HeaderOf(1);
  header.set_endianness(proto::BundleHeaderProto::BIG);
  WriteCrafted(dir.File("b"), header, {}, {data});
  EXPECT_THAT(BundleReader::Open(Files(), dir.File("b")),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("big-endian")));
  header = HeaderOf(1);
  header.mutable_version()->set_min_consumer(2);
  WriteCrafted(dir.File("b"), header, {}, {data});
  EXPECT_THAT(BundleReader::Open(Files(), dir.File("b")),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("version 2")));
}

TEST(BundleTest, BadHeadersAreRefused) {
  const TempDir dir;
  for (const int num_shards : {0, -1, 100000}) {
    WriteCrafted(dir.File("b"), HeaderOf(num_shards), {}, {});
    EXPECT_THAT(BundleReader::Open(Files(), dir.File("b")),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("data files")));
  }
  ASSERT_OK(Files().WriteAtomically(dir.File("b.index"), internal::BuildIndexTable({})));
  EXPECT_THAT(BundleReader::Open(Files(), dir.File("b")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("header")));
}

TEST(BundleTest, SeveralDataFilesAreOneBundle) {
  const TempDir dir;
  const std::vector<std::string> data = {std::string(4, '\1'), std::string(8, '\2')};
  proto::BundleEntryProto second = EntryOf(DataType::kInt64, {}, data[1]);
  second.set_shard_id(1);
  WriteCrafted(dir.File("b"), HeaderOf(2),
               {{"a", EntryOf(DataType::kFloat, {1}, data[0])}, {"b", second}}, data);
  ASSERT_OK_AND_ASSIGN(const auto reader, BundleReader::Open(Files(), dir.File("b")));
  ASSERT_OK_AND_ASSIGN(const std::int64_t value, reader->ReadInt64("b"));
  EXPECT_EQ(value, 0x0202020202020202);
  EXPECT_OK(reader->Verify());
  EXPECT_OK(DeleteBundle(Files(), dir.File("b")));
  ASSERT_OK_AND_ASSIGN(const auto names, Files().List(dir.path()));
  EXPECT_THAT(names, IsEmpty());
}

TEST(BundleTest, StringsAreReadAndChecked) {
  const TempDir dir;
  const std::vector<std::string> strings = {"", "a", std::string(200, 'z')};
  std::string fixed;
  for (const std::string& string : strings) {
    const auto length = static_cast<std::uint32_t>(string.size());
    fixed.append(reinterpret_cast<const char*>(&length), sizeof(length));
  }
  const std::uint32_t lengths_crc = base::MaskCrc32c(base::Crc32c(fixed));
  std::string tail(reinterpret_cast<const char*>(&lengths_crc), sizeof(lengths_crc));
  for (const std::string& string : strings) tail += string;
  const std::string data = std::string("\0\1\xc8\1", 4) + tail;
  proto::BundleEntryProto entry = EntryOf(DataType::kString, {3}, data);
  entry.set_crc32c(base::MaskCrc32c(base::Crc32c(fixed + tail)));
  WriteCrafted(dir.File("b"), HeaderOf(1), {{"s", entry}}, {data});
  ASSERT_OK_AND_ASSIGN(const auto reader, BundleReader::Open(Files(), dir.File("b")));
  ASSERT_OK_AND_ASSIGN(const auto values, reader->ReadStrings("s"));
  EXPECT_EQ(values, strings);

  for (std::size_t bit = 0; bit < data.size() * 8; ++bit) {
    std::string damaged = data;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    ASSERT_OK(Files().WriteAtomically(dir.File("b.data-00000-of-00001"), damaged));
    ASSERT_THAT(OpenAndVerify(dir.File("b")),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'s'")))
        << "bit " << bit;
  }
}

TEST(BundleReaderTest, TensorsThatDoNotFitTheQuestionAreTold) {
  const TempDir dir;
  WriteSmallBundle(dir.File("b"));
  ASSERT_OK_AND_ASSIGN(const auto reader, BundleReader::Open(Files(), dir.File("b")));
  std::vector<float> values(5);
  EXPECT_THAT(reader->ReadFloats("v", values),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("'v'")));
  EXPECT_THAT(reader->ReadFloats("w", values),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("float32 [2, 3]")));
  EXPECT_THAT(reader->ReadFloats("global_step", std::span(values).first(1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("int64 []")));
  EXPECT_THAT(reader->ReadInt64("w"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'w'")));
  EXPECT_THAT(reader->ReadStrings("w"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("string")));
}

TEST(BundleWriterTest, NothingIsLeftBehindWithoutFinish) {
  const TempDir dir;
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, BundleWriter::Create(Files(), dir.File("b")));
    ASSERT_OK(writer->AddInt64("global_step", 1));
  }
  ASSERT_OK_AND_ASSIGN(const auto names, Files().List(dir.path()));
  EXPECT_THAT(names, IsEmpty());
}

TEST(BundleWriterTest, ReplacingABundleLeavesTheNewOne) {
  const TempDir dir;
  WriteSmallBundle(dir.File("b"));
  ASSERT_OK_AND_ASSIGN(const auto writer, BundleWriter::Create(Files(), dir.File("b")));
  ASSERT_OK(writer->AddInt64("global_step", 2000));
  ASSERT_OK(OpenAndVerify(dir.File("b")));  // The old one, as long as the new one is not finished.
  ASSERT_OK(writer->Finish());
  ASSERT_OK_AND_ASSIGN(const auto reader, BundleReader::Open(Files(), dir.File("b")));
  ASSERT_OK_AND_ASSIGN(const std::int64_t step, reader->ReadInt64("global_step"));
  EXPECT_EQ(step, 2000);
}

TEST(BundleWriterTest, MistakesAreTold) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto writer, BundleWriter::Create(Files(), dir.File("b")));
  const auto is_mistake = [](absl::StatusCode code, const char* text) {
    return StatusIs(code, HasSubstr(text));
  };
  using enum absl::StatusCode;
  EXPECT_THAT(writer->AddInt64("", 1), is_mistake(kInvalidArgument, "no name"));
  EXPECT_THAT(writer->AddInt64(std::string("a\0b", 3), 1), is_mistake(kInvalidArgument, "no name"));
  EXPECT_THAT(writer->BeginFloats("w", Shape{-1}), is_mistake(kInvalidArgument, "[-1]"));
  EXPECT_THAT(writer->AppendFloats({}), is_mistake(kFailedPrecondition, "no tensor"));
  EXPECT_THAT(writer->EndTensor(), is_mistake(kFailedPrecondition, "no tensor"));
  ASSERT_OK(writer->AddInt64("global_step", 1));
  EXPECT_THAT(writer->AddInt64("global_step", 1), is_mistake(kInvalidArgument, "twice"));
  ASSERT_OK(writer->BeginFloats("w", Shape{2}));
  EXPECT_THAT(writer->AddInt64("x", 1), is_mistake(kFailedPrecondition, "'w'"));
  EXPECT_THAT(writer->Finish(), is_mistake(kFailedPrecondition, "'w'"));
  ASSERT_OK(writer->AppendFloats(std::vector<float>{1}));
  EXPECT_THAT(writer->EndTensor(), is_mistake(kInvalidArgument, "4 bytes"));
  EXPECT_THAT(writer->AppendFloats(std::vector<float>{1, 2}),
              is_mistake(kInvalidArgument, "more values"));
}

TEST(BundleFilesTest, IndexComesLast) {
  EXPECT_THAT(BundleFiles("job/model.ckpt-1"),
              ElementsAre("job/model.ckpt-1.data-00000-of-00001", "job/model.ckpt-1.index"));
}

TEST(BundleFilesTest, DeletingTouchesNoOtherBundle) {
  const TempDir dir;
  WriteSmallBundle(dir.File("model.ckpt-1"));
  WriteSmallBundle(dir.File("model.ckpt-10"));
  ASSERT_OK(DeleteBundle(Files(), dir.File("model.ckpt-1")));
  ASSERT_OK(DeleteBundle(Files(), dir.File("model.ckpt-1")));
  ASSERT_OK(DeleteBundle(Files(), dir.File("no/such/directory/model.ckpt-1")));
  EXPECT_FALSE(Files().Exists(dir.File("model.ckpt-1.index")));
  EXPECT_OK(OpenAndVerify(dir.File("model.ckpt-10")));
}

}  // namespace
}  // namespace dime::checkpoint
