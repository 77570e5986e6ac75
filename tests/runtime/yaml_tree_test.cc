#include "runtime/base/yaml_tree.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace dime::base {
namespace {

using ::dime::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

void ExpectRefused(const std::string& text, const std::string& message) {
  EXPECT_THAT(ParseYaml(text, "f"),
              StatusIs(absl::StatusCode::kInvalidArgument, StartsWith(message)))
      << text.substr(0, 100);
}

TEST(YamlTreeTest, EveryNodeKnowsItsLineAndPath) {
  ASSERT_OK_AND_ASSIGN(const YamlNode page, ParseYaml("a:\n  - {b: x}\n  - y\nc:\n", "f"));
  const YamlNode& a = *page.Find("a");
  EXPECT_EQ(a.line, 1);
  const YamlNode& b = *a.children[0].Find("b");
  EXPECT_EQ(b.line, 2);
  EXPECT_EQ(b.path, "a[0].b");
  EXPECT_EQ(b.text, "x");
  EXPECT_EQ(a.children[1].path, "a[1]");
  EXPECT_EQ(page.Find("c")->kind, YamlNode::Kind::kNull);
  EXPECT_EQ(page.Find("d"), nullptr);
  EXPECT_EQ(MessageOf(b.Error("is {}", 7)), "f:2: a[0].b: is 7");
}

TEST(YamlTreeTest, AnEmptyPageIsNothing) {
  ASSERT_OK_AND_ASSIGN(const YamlNode page, ParseYaml("", "f"));
  EXPECT_EQ(page.kind, YamlNode::Kind::kNull);
  EXPECT_EQ(MessageOf(page.Error("is empty")), "f:1: is empty");
  EXPECT_OK(ParseYaml("# only a comment\n", "f"));
}

TEST(YamlTreeTest, AnchorsAliasesAndTagsAreRefused) {
  ExpectRefused("a: &x 1\n", "f:1: a: anchors (&name)");
  ExpectRefused("a: &x [1]\n", "f:1: a: anchors (&name)");
  ExpectRefused("c:\n  a: &x {b: 1}\n", "f:2: c.a: anchors (&name)");
  ExpectRefused("\n&x a: 1\n", "f:2: anchors (&name)");
  ExpectRefused("a: &x\n", "f:1: a: anchors (&name)");
  ExpectRefused("a: *x\n", "f:1: ");
  ExpectRefused("a: !!str 1\n", "f:1: a: tags (!name)");
  ExpectRefused("a: !y {b: 1}\n", "f:1: a: tags (!name)");
  ExpectRefused("a: !y [1]\n", "f:1: a: tags (!name)");
}

TEST(YamlTreeTest, KeysAreTextsGivenOnce) {
  ExpectRefused("a: 1\nb: 2\na: 3\n", "f:3: a: is given twice, first in line 1");
  ExpectRefused("x: {a: 1, \"a\": 2}\n", "f:1: x.a: is given twice");
  ExpectRefused("? [1]\n: 2\n", "f:1: a key must be a text");
  ExpectRefused("{a: 1}: 2\n", "f:1: a key must be a text");
  ExpectRefused("null: 2\n", "f:1: a key must be a text");
  ExpectRefused("[1]: 2\n", "f:1: a key must be a text, not a list; is a ] missing?");
  ExpectRefused("{a: 1}: 2\n", "f:1: a key must be a text, not a mapping; is a } missing?");
  ExpectRefused(std::string(257, 'k') + ": 1\n", "f:1: a key is 257 bytes long");
}

TEST(YamlTreeTest, LimitsHoldBeforeMemoryIsTaken) {
  ExpectRefused(std::string(kMaxYamlBytes + 1, ' '), "f: is 1048577 bytes long");
  std::string many = "a: [";
  for (int i = 0; i < 50'001; ++i) many += "1, ";
  ExpectRefused(many + "1]\n", "f:1: a: the file has more than 50000 values");
  EXPECT_OK(ParseYaml(std::string(32, '[') + std::string(32, ']'), "f"));
  ExpectRefused(std::string(33, '[') + std::string(33, ']'), "f:1: [0][0]");
  for (const char* unit : {"[", "{", "{a: ", "- ", "? ", "a: [", "[{", "!", "&", "- - ? "}) {
    std::string deep;
    while (deep.size() < 200'000) deep += unit;
    EXPECT_THAT(ParseYaml(deep, "f"),
                StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("f:")))
        << unit;
  }
}

TEST(YamlTreeTest, OnlyOneDocument) {
  EXPECT_OK(ParseYaml("---\na: 1\n...\n", "f"));
  ExpectRefused("a: 1\n---\nb: 1\n", "f:");
}

TEST(YamlTreeTest, WhatIsNoYamlNamesTheLine) {
  ExpectRefused("a: 1\nb: [1, 2\n", "f:");
  ExpectRefused("a: 1\n  b: \"\n", "f:2: is not YAML: ");
  ExpectRefused("a:\n\tb: 1\n", "f:2: is indented with a tab; YAML takes blanks only");
  ExpectRefused("a: \"\\q\"\n", "f:1: is not YAML: ");
}

TEST(YamlTreeTest, ABracketThatIsNotClosedIsNamed) {
  const auto hint = [](const std::string& text) {
    return std::string(ParseYaml(text, "f").status().message());
  };
  EXPECT_THAT(hint("a: 1\nb: [1,\n  2\nc: 3\n"), HasSubstr("is a ] missing for the [ in line 2?"));
  EXPECT_THAT(hint("a:\n  b: {c: 1,\n\nd: [2]\n"),
              HasSubstr("is a } missing for the { in line 2?"));
  EXPECT_THAT(hint("a: [1]\nb: {c: 1}\nd: \"\\q\"\n"), Not(HasSubstr("missing")));
}

TEST(YamlTreeTest, OnlyTextIsRead) {
  ExpectRefused(std::string("a: 1\nb: \0\n", 10), "f:2: byte 0x00 is no text");
  ExpectRefused("a: \x04\n", "f:1: byte 0x04");
  ExpectRefused("a: \xff\xfe\n", "f:1: byte 0xff");
  ExpectRefused("a: \xc3\n", "f:1: byte 0xc3");
  EXPECT_OK(ParseYaml("a: \xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8d\n", "f"));
}

TEST(YamlTreeTest, EveryTextIsWrittenSoThatItIsReadBack) {
  YamlNode list = YamlNode::List({});
  const std::string texts[] = {"",
                               " ",
                               "null",
                               "~",
                               "NULL",
                               "true",
                               "a b",
                               "a: b",
                               "#x",
                               "\"",
                               "\\",
                               "'",
                               "\n\t",
                               "\x01",
                               "\x7f",
                               "- a",
                               "-",
                               "--",
                               "-1",
                               "1e-05",
                               "[a]",
                               "{",
                               ",",
                               "&a",
                               "*a",
                               "!a",
                               "%a",
                               "@",
                               "`",
                               "...",
                               ".5",
                               "a\"b",
                               "\xc3\xa9",
                               "\xef\xbb\xbf",
                               "\xc2\x85",
                               "\xe2\x80\xa8",
                               "? a",
                               ">",
                               "|",
                               "=",
                               "<<",
                               "0x10",
                               std::string("a\0b", 3),
                               "\x04",
                               "---",
                               "a\r\nb"};
  for (const std::string& text : texts) list.children.push_back(YamlNode::Text(text));
  YamlNode page = YamlNode::Map();
  page.Add("list", list);
  page.Add("-x: y", YamlNode::Map().Add("null", YamlNode::Text("1")));
  page.Add("empty", YamlNode::Map()).Add("none", YamlNode::List({}));
  const std::string once = FormatYaml(page);
  ASSERT_OK_AND_ASSIGN(const YamlNode again, ParseYaml(once, "f"));
  ASSERT_EQ(again.Find("list")->children.size(), std::size(texts));
  for (std::size_t i = 0; i < std::size(texts); ++i) {
    EXPECT_EQ(again.Find("list")->children[i].text, texts[i]);
  }
  EXPECT_EQ(again.Find("-x: y")->Find("null")->text, "1");
  EXPECT_EQ(again.Find("empty")->kind, YamlNode::Kind::kMap);
  EXPECT_EQ(again.Find("none")->kind, YamlNode::Kind::kList);
  EXPECT_EQ(FormatYaml(again), once);
}

TEST(YamlTreeTest, MessagesHaveNoControlCharacters) {
  ASSERT_OK_AND_ASSIGN(const YamlNode page, ParseYaml("\"a\\e[1m\": 1\n", "f"));
  EXPECT_EQ(MessageOf(page.children[0].Error("is bad")), "f:1: a\\x1b[1m: is bad");
  EXPECT_THAT(CheckKeys(page, {}, {"b"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("allowed are b")));
}

}  // namespace
}  // namespace dime::base
