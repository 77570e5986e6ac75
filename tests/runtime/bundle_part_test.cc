#include "runtime/checkpoint/bundle_part.h"

#include <gmock/gmock.h>

#include <numeric>
#include <string>
#include <vector>

#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/internal/index_table.h"
#include "runtime/checkpoint/internal/row_slices.h"
#include "runtime/checkpoint/proto/tensor_bundle.pb.h"
#include "tests/runtime/checkpoint_files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::checkpoint {
namespace {

using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Shape = std::vector<std::int64_t>;

constexpr std::int64_t kRows = 700'000;  // More than are read at once.
const Shape kShape = {kRows, 3};

// Row r is 3r, 3r + 1, 3r + 2, as far as floats tell.
std::vector<float> Values(std::int64_t first, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(3 * count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(3 * first + static_cast<std::int64_t>(i));
  }
  return values;
}

absl::Status AddRows(BundlePartWriter& writer, std::int64_t first, std::int64_t end) {
  DIME_RETURN_IF_ERROR(writer.BeginRows("w", kShape, first, end - first));
  DIME_RETURN_IF_ERROR(writer.AppendFloats(Values(first, end - first)));
  return writer.EndRows();
}

// Two data files: rows 0 to 9 and 500 on in the second, the others in the first.
absl::StatusOr<std::vector<std::string>> WriteParts(const std::string& prefix) {
  std::vector<std::string> entries(2);
  DIME_ASSIGN_OR_RETURN(const auto second, BundlePartWriter::Create(Files(), prefix, 1, 2));
  DIME_RETURN_IF_ERROR(AddRows(*second, 500, kRows));
  DIME_RETURN_IF_ERROR(AddRows(*second, 0, 10));
  DIME_ASSIGN_OR_RETURN(entries[1], second->Finish());
  DIME_ASSIGN_OR_RETURN(const auto first, BundlePartWriter::Create(Files(), prefix, 0, 2));
  DIME_RETURN_IF_ERROR(first->AddInt64("global_step", 7));
  DIME_RETURN_IF_ERROR(AddRows(*first, 10, 500));
  DIME_ASSIGN_OR_RETURN(entries[0], first->Finish());
  return entries;
}

void WriteBundle(const std::string& prefix) {
  ASSERT_OK_AND_ASSIGN(const auto entries, WriteParts(prefix));
  ASSERT_OK(WriteBundleIndex(Files(), prefix, entries));
}

void Damage(const std::string& path, std::size_t at) {
  ASSERT_OK_AND_ASSIGN(std::string bytes, Files().ReadFile(path));
  ASSERT_LT(at, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  ASSERT_OK(Files().WriteAtomically(path, bytes));
}

TEST(BundlePartTest, KeysOfSlicesAreTensorFlows) {
  const auto key = [](const std::string& name, std::int64_t first, std::int64_t count) {
    return internal::SliceKey(name, internal::MakeRowSlice(Shape{1'000'000, 3}, first, count));
  };
  // Small numbers are one byte; a text ends with two.
  EXPECT_EQ(key("w", 2, 5), std::string("\0w\0\1\1\2\x82\x85\x80\x83", 10));
  EXPECT_EQ(key("w", 64, 63), std::string("\0w\0\1\1\2\xc0\x40\xbf\x80\x83", 11));
  EXPECT_EQ(key("\xff", 8192, 0), std::string("\0\xff\0\0\1\1\2\xe0\x20\0\x80\x80\x83", 13));
  proto::TensorSliceProto whole;
  whole.add_extent();
  EXPECT_EQ(internal::SliceKey("w", whole), std::string("\0w\0\1\1\1\x80\x7f", 8));
}

TEST(BundlePartTest, PartsMakeUpABundle) {
  const TempDir dir;
  WriteBundle(dir.File("b"));
  ASSERT_OK_AND_ASSIGN(const auto reader, BundleReader::Open(Files(), dir.File("b")));
  EXPECT_THAT(reader->tensors(),
              ElementsAre(std::pair("global_step", TensorInfo{DataType::kInt64, {}}),
                          std::pair("w", TensorInfo{DataType::kFloat, kShape})));
  std::vector<float> values(3 * kRows);
  ASSERT_OK(reader->ReadFloats("w", values));
  EXPECT_TRUE(values == Values(0, kRows));
  ASSERT_OK_AND_ASSIGN(const std::int64_t step, reader->ReadInt64("global_step"));
  EXPECT_EQ(step, 7);
  EXPECT_OK(reader->Verify());
  for (const std::string& file : BundleFiles(dir.File("b"), 2)) {
    EXPECT_TRUE(Files().Exists(file)) << file;
  }
  ASSERT_OK(DeleteBundle(Files(), dir.File("b")));
  ASSERT_OK_AND_ASSIGN(const auto left, Files().List(dir.path()));
  EXPECT_THAT(left, ElementsAre());
}

TEST(BundlePartTest, ATensorOfOnePartIsAPlainOne) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto plain, BundleWriter::Create(Files(), dir.File("plain")));
  ASSERT_OK(plain->AddFloats("w", Shape{4, 3}, Values(0, 4)));
  ASSERT_OK(plain->Finish());
  ASSERT_OK_AND_ASSIGN(const auto part, BundlePartWriter::Create(Files(), dir.File("part"), 0, 1));
  ASSERT_OK(part->BeginRows("w", Shape{4, 3}, 0, 4));
  ASSERT_OK(part->AppendFloats(Values(0, 4)));
  ASSERT_OK(part->EndRows());
  ASSERT_OK_AND_ASSIGN(const std::string entries, part->Finish());
  ASSERT_OK(WriteBundleIndex(Files(), dir.File("part"), {&entries, 1}));
  for (const char* const suffix : {".index", ".data-00000-of-00001"}) {
    EXPECT_EQ(Files().ReadFile(dir.File("part") + suffix),
              Files().ReadFile(dir.File("plain") + suffix));
  }
}

// Rows as ReadRows() hands them over.
absl::StatusOr<std::vector<float>> ReadRanges(const std::string& prefix,
                                              std::vector<RowRange> ranges) {
  DIME_ASSIGN_OR_RETURN(const auto reader, BundleReader::Open(Files(), prefix));
  std::vector<float> values;
  auto range = ranges.begin();
  std::int64_t next = ranges.empty() ? 0 : range->first;
  DIME_RETURN_IF_ERROR(reader->ReadRows("w", ranges, [&](std::int64_t first, auto rows) {
    while (next == range->first + range->count) next = (++range)->first;
    EXPECT_EQ(first, next);
    next += std::ssize(rows) / 3;
    values.insert(values.end(), rows.begin(), rows.end());
    return absl::OkStatus();
  }));
  return values;
}

class RowRangeTest : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(SlicedOrNot, RowRangeTest, ::testing::Bool());

TEST_P(RowRangeTest, RangesAreReadFromAnyBundle) {
  const TempDir dir;
  if (GetParam()) {
    WriteBundle(dir.File("b"));
  } else {
    ASSERT_OK_AND_ASSIGN(const auto writer, BundleWriter::Create(Files(), dir.File("b")));
    ASSERT_OK(writer->AddFloats("w", kShape, Values(0, kRows)));
    ASSERT_OK(writer->Finish());
  }
  const std::vector<std::vector<RowRange>> questions = {
      {},
      {{0, kRows}},
      {{5, 1}},
      {{5, 10}, {15, 2}, {499, 2}, {600'000, 90'000}},
      {{0, 10}, {500, kRows - 500}},
      {{kRows - 1, 1}},
      {{3, 0}, {3, 1}}};
  for (const std::vector<RowRange>& ranges : questions) {
    std::vector<float> expected;
    for (const RowRange& range : ranges) {
      const std::vector<float> rows = Values(range.first, range.count);
      expected.insert(expected.end(), rows.begin(), rows.end());
    }
    ASSERT_OK_AND_ASSIGN(const std::vector<float> values, ReadRanges(dir.File("b"), ranges));
    EXPECT_TRUE(values == expected);
  }
  for (const std::vector<RowRange>& ranges : std::vector<std::vector<RowRange>>{
           {{0, kRows + 1}}, {{kRows, 1}}, {{-1, 2}}, {{4, 2}, {5, 1}}, {{5, -1}}}) {
    EXPECT_THAT(ReadRanges(dir.File("b"), ranges),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'w'")));
  }
}

TEST(BundlePartTest, DamageNamesFileTensorAndSlice) {
  const TempDir dir;
  WriteBundle(dir.File("b"));
  const std::string second = BundleFiles(dir.File("b"), 2)[1];
  ASSERT_OK_AND_ASSIGN(const storage::FileInfo info, Files().Stat(second));
  Damage(second, info.size_bytes - 1);  // The rows 0 to 9 lie last.
  const auto is_told =
      StatusIs(absl::StatusCode::kDataLoss,
               AllOf(HasSubstr(second), HasSubstr("tensor 'w', rows 0 to 9"), HasSubstr("CRC")));
  ASSERT_OK_AND_ASSIGN(const auto reader, BundleReader::Open(Files(), dir.File("b")));
  std::vector<float> values(3 * kRows);
  EXPECT_THAT(reader->Verify(), is_told);
  EXPECT_THAT(reader->ReadFloats("w", values), is_told);
  EXPECT_THAT(ReadRanges(dir.File("b"), {{9, 1}}), is_told);
  EXPECT_OK(ReadRanges(dir.File("b"), {{10, 490}}));
}

TEST(BundlePartTest, AMissingDataFileIsNamed) {
  const TempDir dir;
  WriteBundle(dir.File("b"));
  const std::string first = BundleFiles(dir.File("b"), 2)[0];
  ASSERT_OK(Files().DeleteFile(first));
  EXPECT_THAT(BundleReader::Open(Files(), dir.File("b")),
              StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr(first), HasSubstr("missing"))));
}

TEST(BundlePartTest, ASliceBeyondTheEndOfItsFileIsNamed) {
  const TempDir dir;
  WriteBundle(dir.File("b"));
  const std::string first = BundleFiles(dir.File("b"), 2)[0];
  ASSERT_OK(Files().WriteAtomically(first, "too short"));
  EXPECT_THAT(BundleReader::Open(Files(), dir.File("b")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(first)));
}

TEST(BundlePartTest, PartsThatDoNotFitMakeNoIndex) {
  const TempDir dir;
  const std::string prefix = dir.File("b");
  ASSERT_OK_AND_ASSIGN(const auto entries, WriteParts(prefix));
  using enum absl::StatusCode;
  const auto merge = [&](const std::vector<std::string>& parts) {
    return WriteBundleIndex(Files(), prefix, parts);
  };
  EXPECT_THAT(merge({entries[0]}), StatusIs(kInvalidArgument, HasSubstr("2 data files")));
  EXPECT_THAT(merge({entries[0], entries[0]}), StatusIs(kInvalidArgument, HasSubstr("part 1")));
  EXPECT_THAT(merge({entries[1], entries[0]}), StatusIs(kInvalidArgument, HasSubstr("data file")));
  EXPECT_THAT(merge({entries[0], "nonsense"}), StatusIs(kDataLoss, HasSubstr(prefix)));

  ASSERT_OK_AND_ASSIGN(const auto hole, BundlePartWriter::Create(Files(), prefix, 1, 2));
  ASSERT_OK(AddRows(*hole, 600, kRows));
  ASSERT_OK(AddRows(*hole, 0, 10));
  ASSERT_OK_AND_ASSIGN(const std::string with_hole, hole->Finish());
  EXPECT_THAT(merge({entries[0], with_hole}),
              StatusIs(kDataLoss, AllOf(HasSubstr("'w'"), HasSubstr("row 600"))));
  ASSERT_OK_AND_ASSIGN(const auto twice, BundlePartWriter::Create(Files(), prefix, 1, 2));
  ASSERT_OK(AddRows(*twice, 400, kRows));
  ASSERT_OK(AddRows(*twice, 0, 10));
  ASSERT_OK_AND_ASSIGN(const std::string with_overlap, twice->Finish());
  EXPECT_THAT(merge({entries[0], with_overlap}), StatusIs(kDataLoss, HasSubstr("overlap")));
  EXPECT_FALSE(Files().Exists(prefix + ".index"));
}

TEST(BundlePartTest, EntriesOfSlicesBelongToATensor) {
  const TempDir dir;
  WriteBundle(dir.File("b"));
  ASSERT_OK_AND_ASSIGN(const std::string file, Files().ReadFile(dir.File("b.index")));
  ASSERT_OK_AND_ASSIGN(const auto sound, internal::ParseIndexTable(file));
  for (const bool drop_tensor : {true, false}) {
    internal::IndexEntries entries = sound;
    entries.erase(drop_tensor ? entries.find("w") : std::next(entries.begin()));
    ASSERT_OK(Files().WriteAtomically(dir.File("b.index"), internal::BuildIndexTable(entries)));
    EXPECT_THAT(BundleReader::Open(Files(), dir.File("b")),
                StatusIs(absl::StatusCode::kDataLoss,
                         HasSubstr(drop_tensor ? "3 entries of slices, of which 0 belong"
                                               : "'w': rows 0 to 9")));
  }
}

TEST(BundlePartWriterTest, MistakesAreTold) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto writer, BundlePartWriter::Create(Files(), dir.File("b"), 0, 2));
  using enum absl::StatusCode;
  EXPECT_THAT(writer->BeginRows("w", kShape, kRows, 1),
              StatusIs(kInvalidArgument, HasSubstr("'w'")));
  EXPECT_THAT(writer->BeginRows("w", kShape, 4, 0), StatusIs(kInvalidArgument, HasSubstr("no 0")));
  EXPECT_THAT(writer->BeginRows("w", Shape{}, 1, 1), StatusIs(kInvalidArgument, HasSubstr("'w'")));
  ASSERT_OK(AddRows(*writer, 0, 2));
  EXPECT_THAT(writer->BeginRows("w", kShape, 0, 2), StatusIs(kInvalidArgument, HasSubstr("twice")));
  EXPECT_THAT(writer->BeginRows("w", Shape{kRows, 4}, 2, 2),
              StatusIs(kInvalidArgument, HasSubstr("two shapes")));
  EXPECT_THAT(BundlePartWriter::Create(Files(), dir.File("b"), 2, 2),
              StatusIs(kInvalidArgument, HasSubstr("data file 2 of 2")));
}

}  // namespace
}  // namespace dime::checkpoint
