#include "models/internal/vocabulary.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/text.h"

namespace dime::models::internal {
namespace {

TEST(VocabularyTest, FindsEveryEntryOfEveryLengthAndNothingElse) {
  std::vector<std::string> entries;
  for (std::size_t length = 1; length <= 70; ++length) {
    entries.emplace_back(length, 'a');
    entries.push_back(fmt::format(" {}c ", std::string(length, 'b')));
  }
  const Vocabulary vocabulary(entries);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(vocabulary.Find(entries[i]), static_cast<std::int64_t>(i));
    EXPECT_EQ(vocabulary.Find(fmt::format("\t{} ", entries[i])), static_cast<std::int64_t>(i));
    EXPECT_EQ(vocabulary.Find(fmt::format("{}z", base::Trimmed(entries[i]))), -1);
  }
  EXPECT_EQ(vocabulary.Find(""), -1);
  EXPECT_EQ(vocabulary.Find(std::string_view("a\0", 2)), -1);
}

TEST(VocabularyTest, AnEmptyOneFindsNothing) {
  EXPECT_EQ(Vocabulary().Find(""), -1);
  EXPECT_EQ(Vocabulary().Find("a"), -1);
}

}  // namespace
}  // namespace dime::models::internal
