#include "runtime/base/checked_text.h"

#include <gmock/gmock.h>

#include "tests/support/status_matchers.h"

namespace dime::base {
namespace {

using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::string_view kText = "# What it is.\nseed: 17\n";

TEST(CheckedTextTest, APageIsAsItWasWritten) {
  const std::string page = WithChecksum(kText);
  EXPECT_OK(CheckChecksum(page));
  EXPECT_EQ(page.substr(page.find('\n') + 1), kText);
}

TEST(CheckedTextTest, NoFlippedBitBelowTheFirstLinePasses) {
  const std::string page = WithChecksum(kText);
  for (std::size_t bit = page.find('\n') * 8; bit < page.size() * 8; ++bit) {
    std::string damaged = page;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_THAT(CheckChecksum(damaged), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("crc32c")))
        << bit;
  }
}

TEST(CheckedTextTest, NoCutPagePasses) {
  const std::string page = WithChecksum(kText);
  for (std::size_t size = 0; size < page.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(CheckChecksum(page.substr(0, size)))) << size;
  }
}

TEST(CheckedTextTest, APageWithoutTheLineIsTakenAsItIs) { EXPECT_OK(CheckChecksum(kText)); }

TEST(CheckedTextTest, WhoEditsAPageIsToldWhatToDo) {
  EXPECT_THAT(CheckChecksum(WithChecksum(kText) + "order: as-read\n").message(),
              AllOf(HasSubstr("# crc32c "), HasSubstr("changed on purpose, delete that line")));
}

}  // namespace
}  // namespace dime::base
