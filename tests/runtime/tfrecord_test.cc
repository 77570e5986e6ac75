#include "runtime/records/tfrecord.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace dime::records {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(TfRecordTest, BytesAreThoseOfTensorFlow) {
  std::string file;
  AppendRecord("abc", &file);
  EXPECT_EQ(file, std::string("\x03\0\0\0\0\0\0\0\xb0\x99\x49\x0e"
                              "abc\x6e\x57\xf1\x21",
                              19));
}

TEST(TfRecordTest, RecordsComeBackAsTheyWere) {
  const std::string binary("\0\n\xff", 3);
  const std::string large(100000, 'x');
  std::string file;
  for (const std::string& record : {std::string(), binary, large}) AppendRecord(record, &file);
  ASSERT_OK_AND_ASSIGN(const auto records, SplitRecords(file));
  EXPECT_THAT(records, ElementsAre("", binary, large));
}

TEST(TfRecordTest, EmptyFileHasNoRecords) {
  ASSERT_OK_AND_ASSIGN(const auto records, SplitRecords(""));
  EXPECT_THAT(records, IsEmpty());
}

TEST(TfRecordTest, EveryFlippedBitIsFound) {
  std::string file;
  AppendRecord("the first", &file);
  AppendRecord("the second", &file);
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_THAT(SplitRecords(damaged), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("record")))
        << "bit " << bit;
  }
}

TEST(TfRecordTest, EveryCutWithinARecordIsFound) {
  std::string file;
  AppendRecord("abc", &file);
  for (std::size_t size = 1; size < file.size(); ++size) {
    EXPECT_THAT(SplitRecords(std::string_view(file).substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("byte 0")))
        << size;
  }
}

TEST(TfRecordTest, HugeLengthWithGoodCrcIsCutOff) {
  std::string file;
  AppendRecord("x", &file);
  const std::string start("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  std::string framed;
  AppendRecord(start, &framed);  // Its data CRC is the length CRC that the bad record needs.
  const std::string bad = start + framed.substr(framed.size() - 4) + "data";
  EXPECT_THAT(SplitRecords(file + bad),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("18446744073709551615")));
}

}  // namespace
}  // namespace dime::records
