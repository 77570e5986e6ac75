#include "runtime/records/example_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "runtime/records/example.h"
#include "tests/support/status_matchers.h"

namespace dime::records {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = ExampleReader::Kind;

// Field 1, length-delimited: what Example, Features, names and lists of bytes are made of.
std::string Part(std::string_view contents, char tag = '\x0a') {
  EXPECT_LT(contents.size(), 128u);
  return std::string(1, tag) + static_cast<char>(contents.size()) + std::string(contents);
}
std::string Entry(std::string_view name, std::string_view feature) {
  return Part(Part(name) + Part(feature, '\x12'));
}

class ExampleReaderTest : public ::testing::Test {
 protected:
  // The values as text, by name and kind.
  std::map<std::string, std::string> Read(const std::string& serialized) {
    serialized_ = serialized;
    EXPECT_OK(reader_.Read(serialized_));
    std::map<std::string, std::string> found;
    for (const ExampleReader::Feature& feature : reader_.features()) {
      std::string& text = found[std::string(feature.name)];
      switch (feature.kind) {
        case Kind::kNone:
          text = "none";
          break;
        case Kind::kBytes:
          text = fmt::format("bytes {}", fmt::join(reader_.Bytes(feature), " "));
          break;
        case Kind::kFloats:
          text = fmt::format("floats {}", fmt::join(reader_.Floats(feature), " "));
          break;
        case Kind::kIntegers:
          text = fmt::format("integers {}", fmt::join(reader_.Integers(feature), " "));
          break;
      }
    }
    return found;
  }

  ExampleReader reader_;
  std::string serialized_;
};

using Found = std::map<std::string, std::string>;

TEST_F(ExampleReaderTest, ReadsWhatWasWritten) {
  const std::string serialized =
      SerializeExample({{"age", std::vector<std::int64_t>{39, -1, INT64_MIN, INT64_MAX}},
                        {"size", std::vector<float>{1.5f, -2.25f}},
                        {"work", std::vector<std::string>{" Private", "", "x y"}},
                        {"no_bytes", std::vector<std::string>{}},
                        {"no_floats", std::vector<float>{}}});
  const Found expected = {{"age", "integers 39 -1 -9223372036854775808 9223372036854775807"},
                          {"size", "floats 1.5 -2.25"},
                          {"work", "bytes  Private  x y"},
                          {"no_bytes", "none"},
                          {"no_floats", "floats "}};
  for (int round = 0; round < 2; ++round) EXPECT_EQ(Read(serialized), expected);
}

TEST_F(ExampleReaderTest, AnEmptyMessageHasNoFeatures) {
  EXPECT_THAT(Read(""), IsEmpty());
  EXPECT_THAT(Read(Part("")), IsEmpty());
}

TEST_F(ExampleReaderTest, NumbersMayStandOneByOneOrPacked) {
  const std::string floats("\x0d\0\0\x80\x3f\x0a\x08\0\0\0\x40\0\0\x40\x40", 15);
  const std::string integers("\x08\x07\x0a\x03\xac\x02\x09", 7);
  EXPECT_EQ(Read(Part(Entry("f", Part(floats, '\x12')) + Entry("i", Part(integers, '\x1a')))),
            (Found{{"f", "floats 1 2 3"}, {"i", "integers 7 300 9"}}));
}

TEST_F(ExampleReaderTest, UnusualFormsMeanWhatProtobufSays) {
  const std::string one = Part("\x08\x01", '\x1a');
  const std::string unknown("\x78\x05", 2);  // Field 15.
  // Unknown fields everywhere, and the value before the name.
  EXPECT_EQ(Read(unknown + Part(unknown + Part(Part(one, '\x12') + Part("a") + unknown)) + unknown),
            (Found{{"a", "integers 1"}}));
  // Parts of one message are joined, of one list too; of two kinds the last one counts.
  EXPECT_EQ(Read(Part(Entry("a", one)) + Part(Entry("b", one + one))),
            (Found{{"a", "integers 1"}, {"b", "integers 1 1"}}));
  EXPECT_EQ(Read(Part(Entry("a", one + Part(Part("x"))))), (Found{{"a", "bytes x"}}));
  // A name without a value, and a value without a name.
  EXPECT_EQ(Read(Part(Part(Part("a")))), (Found{{"a", "none"}}));
  EXPECT_EQ(Read(Part(Part(Part(one, '\x12')))), (Found{{"", "integers 1"}}));
  // A name that is there twice.
  EXPECT_EQ(Read(Part(Entry("a", one) + Entry("a", Part(Part("x"))))), (Found{{"a", "bytes x"}}));
  EXPECT_EQ(Read(Part(Entry("\xc3\xa4", one))), (Found{{"\xc3\xa4", "integers 1"}}));
}

TEST_F(ExampleReaderTest, WhatIsNoExampleIsRefused) {
  const std::string good = SerializeExample({{"age", std::vector<std::int64_t>{39}},
                                             {"size", std::vector<float>{1.5f}},
                                             {"work", std::vector<std::string>{"x"}}});
  for (std::size_t size = 1; size < good.size(); ++size) {
    const std::string cut = good.substr(0, size);
    EXPECT_THAT(reader_.Read(cut), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("tf.Example")))
        << size;
  }
  for (const std::string& bad :
       {std::string("no message"), Part(Entry("\xff", "")), Part(Entry("a", Part("\x08", '\x1a'))),
        Part(Entry("a", Part(std::string("\x0a\x03\0\0\0", 5), '\x12')))}) {
    EXPECT_THAT(reader_.Read(bad), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("tf.Example")));
  }
  EXPECT_EQ(Read(good).size(), 3u);  // It goes on after a refusal.
}

}  // namespace
}  // namespace dime::records
