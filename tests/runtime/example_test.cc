#include "runtime/records/example.h"

#include <gmock/gmock.h>

#include <limits>

#include "runtime/records/example_reader.h"
#include "tests/support/status_matchers.h"

namespace dime::records {
namespace {

using ::dime::testing::StatusIs;
using ::testing::IsEmpty;

using Strings = std::vector<std::string>;
using Floats = std::vector<float>;
using Integers = std::vector<std::int64_t>;

TEST(ExampleTest, EveryKindComesBackAsItWas) {
  const Example example = {
      {"text", Strings{" Private", std::string("\0\xff", 2), ""}},
      {"ratio", Floats{0.5f, -1e30f}},
      {"count", Integers{std::numeric_limits<std::int64_t>::min(), 0, 7}},
      {"no strings", Strings{}},
      {"no floats", Floats{}},
      {"no integers", Integers{}},
  };
  ASSERT_OK_AND_ASSIGN(const Example again, ParseExample(SerializeExample(example)));
  EXPECT_EQ(again, example);
}

TEST(ExampleTest, BytesAreThoseOfTensorFlow) {
  // Example{features{feature{"a": float_list{1.0}}}}.
  const std::string one_float("\x0a\x0f\x0a\x0d\x0a\x01\x61\x12\x08\x12\x06\x0a\x04\0\0\x80\x3f",
                              17);
  EXPECT_EQ(SerializeExample({{"a", Floats{1.0f}}}), one_float);
}

TEST(ExampleTest, EmptyBytesAreAnEmptyExample) {
  ASSERT_OK_AND_ASSIGN(const Example example, ParseExample(""));
  EXPECT_THAT(example, IsEmpty());
}

TEST(ExampleTest, SerializingTwiceGivesTheSameBytes) {
  Example example;
  for (int i = 0; i < 50; ++i) example["feature " + std::to_string(i)] = Integers{i};
  const std::string bytes = SerializeExample(example);
  ASSERT_OK_AND_ASSIGN(const Example again, ParseExample(bytes));
  EXPECT_EQ(SerializeExample(again), bytes);
}

TEST(ExampleTest, OtherBytesAreRefused) {
  EXPECT_THAT(ParseExample("not an example"),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr("14 bytes")));
}

// protobuf would print, beside what the caller makes of the error.
TEST(ExampleTest, ANameThatIsNoUtf8IsRefusedInSilence) {
  const std::string example("\x0a\x0a\x0a\x08\x0a\x02\xff\xfe\x12\x02\x0a\0", 12);
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(ParseExample(example),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr("12 bytes")));
  ExampleReader reader;
  EXPECT_THAT(reader.Read(example),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr("12 bytes")));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace dime::records
