#include "runtime/records/csv.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace dime::records {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Fields = std::vector<std::string>;

struct Record {
  Fields fields = {};
  bool bad = false;
  std::int64_t line = 0;
  std::string text = {};

  bool operator==(const Record&) const = default;
};

void PrintTo(const Record& record, std::ostream* out) {
  *out << (record.bad ? "bad " : "") << "line " << record.line << " '" << record.text << "' "
       << ::testing::PrintToString(record.fields);
}

std::vector<Record> ReadAll(std::string_view text, const CsvDialect& dialect = {}) {
  std::vector<Record> records;
  CsvReader reader(text, dialect);
  while (reader.Next()) {
    EXPECT_EQ(text.substr(reader.offset(), reader.record().size()), reader.record());
    EXPECT_TRUE(reader.error().empty() || reader.fields().empty());
    EXPECT_TRUE(!reader.error().empty() || reader.error_field() == -1);
    records.push_back({.fields = Fields(reader.fields().begin(), reader.fields().end()),
                       .bad = !reader.error().empty(),
                       .line = reader.line(),
                       .text = std::string(reader.record())});
  }
  EXPECT_FALSE(reader.Next());
  return records;
}

std::vector<Fields> FieldsOf(std::string_view text, const CsvDialect& dialect = {}) {
  std::vector<Fields> all;
  for (Record& record : ReadAll(text, dialect)) {
    EXPECT_FALSE(record.bad) << record.text;
    all.push_back(std::move(record.fields));
  }
  return all;
}

TEST(CsvReaderTest, WithoutQuotingAQuoteIsACharacter) {
  const CsvDialect dialect = {.separator = '\t', .has_quotes = false};
  const std::string long_field(200, '"');
  EXPECT_THAT(
      FieldsOf("\"a\tb\"c\t\"\n\"\"\tx\r\n" + long_field + "\t\"", dialect),
      ElementsAre(Fields{"\"a", "b\"c", "\""}, Fields{"\"\"", "x"}, Fields{long_field, "\""}));
}

TEST(CsvReaderTest, SplitsAtSeparatorsAndKeepsBlanks) {
  EXPECT_THAT(FieldsOf("39, State-gov, 77516\n"),
              ElementsAre(ElementsAre("39", " State-gov", " 77516")));
  EXPECT_THAT(FieldsOf(",\n"), ElementsAre(ElementsAre("", "")));
  EXPECT_THAT(FieldsOf(" \n"), ElementsAre(ElementsAre(" ")));
  EXPECT_THAT(FieldsOf("a\tb,c\n", {.separator = '\t'}), ElementsAre(ElementsAre("a", "b,c")));
}

TEST(CsvReaderTest, RecordsEndAtLfCrlfOrTheEnd) {
  EXPECT_THAT(FieldsOf("a,b\nc\r\nd,"),
              ElementsAre(ElementsAre("a", "b"), ElementsAre("c"), ElementsAre("d", "")));
  EXPECT_THAT(FieldsOf("a,b\r"), ElementsAre(ElementsAre("a", "b")));
  EXPECT_THAT(FieldsOf("a\rb\n"), ElementsAre(ElementsAre("a\rb")));
}

TEST(CsvReaderTest, BlankLinesAreNoRecords) {
  EXPECT_THAT(ReadAll(""), IsEmpty());
  EXPECT_THAT(ReadAll("\n"), IsEmpty());
  EXPECT_THAT(ReadAll("\r\n\n\r"), IsEmpty());
  EXPECT_THAT(FieldsOf("\na\n\r\n\nb"), ElementsAre(ElementsAre("a"), ElementsAre("b")));
}

TEST(CsvReaderTest, QuotedFieldsHoldSeparatorsLineEndsAndQuotes) {
  EXPECT_THAT(FieldsOf("\"a,b\",\"c\nd\r\ne\",\"f\"\"g\",\"\"\"\",\"\"\r\nh\n"),
              ElementsAre(ElementsAre("a,b", "c\nd\r\ne", "f\"g", "\"", ""), ElementsAre("h")));
}

TEST(CsvReaderTest, ManyUnescapedFieldsStayValidTogether) {
  std::string text;
  Fields expected;
  for (int i = 0; i < 100; ++i) {
    text += fmt::format("\"{}\"\"\",", i);
    expected.push_back(fmt::format("{}\"", i));
  }
  text.pop_back();
  EXPECT_THAT(FieldsOf(text), ElementsAre(expected));
}

TEST(CsvReaderTest, NulBytesAreData) {
  using std::string_literals::operator""s;
  EXPECT_THAT(FieldsOf("a\0b,\0\n\0"s),
              ElementsAre(ElementsAre("a\0b"s, "\0"s), ElementsAre("\0"s)));
}

TEST(CsvReaderTest, AFieldMayCrossAnyNumberOfBlocks) {
  for (std::size_t size = 0; size < 300; ++size) {
    const std::string field(size, 'x');
    EXPECT_THAT(FieldsOf(field + ",b\nc"), ElementsAre(ElementsAre(field, "b"), ElementsAre("c")));
    EXPECT_THAT(FieldsOf("b," + field), ElementsAre(ElementsAre("b", field)));
  }
}

TEST(CsvReaderTest, LinesAreCountedAlsoInsideQuotes) {
  const std::vector<Record> records = ReadAll("a\n\n\"b\n\n\"\nc\"\nd\n");
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].line, 0);
  EXPECT_EQ(records[1].line, 2);
  EXPECT_EQ(records[1].text, "\"b\n\n\"");
  EXPECT_EQ(records[2].line, 5);
  EXPECT_TRUE(records[2].bad);
  EXPECT_EQ(records[3].line, 6);
}

struct BadCase {
  std::string record;
  int field;
  std::string error;
};

class BadRecordTest : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadRecordTest, IsNamedAndReadingGoesOnAtTheNextLine) {
  const std::string text = "before,1\n" + GetParam().record + "\nafter,2\n";
  CsvReader reader(text, {});
  ASSERT_TRUE(reader.Next());
  ASSERT_TRUE(reader.Next());
  EXPECT_THAT(reader.error(), HasSubstr(GetParam().error));
  EXPECT_EQ(reader.error_field(), GetParam().field);
  EXPECT_EQ(reader.record(), GetParam().record);
  EXPECT_EQ(reader.line(), 1);
  EXPECT_THAT(reader.fields(), IsEmpty());
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.error(), "");
  EXPECT_EQ(reader.error_field(), -1);
  EXPECT_THAT(reader.fields(), ElementsAre("after", "2"));
  EXPECT_FALSE(reader.Next());
}

INSTANTIATE_TEST_SUITE_P(
    , BadRecordTest,
    ::testing::Values(BadCase{"a\"b", 0, "a quote is inside an unquoted field"},
                      BadCase{"c,a\"b\",d", 1, "'a\"b\",d': a quote is inside an unquoted field"},
                      BadCase{"a, \"b\"", 1, "' \"b\"': a blank is before its opening quote"},
                      BadCase{"\"a\"b", 0, "text follows its closing quote"},
                      BadCase{"\"a\" ,b", 0, "'\"a\" ,b': text follows its closing quote"},
                      BadCase{"x,y,\"a\"\"", 2, "its quote is never closed"},
                      BadCase{"\"", 0, "its quote is never closed"},
                      BadCase{"a,\"b,c", 1, "'\"b,c': its quote is never closed"},
                      BadCase{"a,\"" + std::string(100, 'b'), 1,
                              "'\"" + std::string(39, 'b') + "...': its quote is never closed"}));

TEST(CsvReaderTest, AStrayQuoteCostsOneLineAlsoWhenALaterFieldIsQuoted) {
  EXPECT_THAT(ReadAll("a,\"b\nc,d\ne,\"f\"\n"),
              ElementsAre(Record{.bad = true, .line = 0, .text = "a,\"b"},
                          Record{.fields = {"c", "d"}, .line = 1, .text = "c,d"},
                          Record{.fields = {"e", "f"}, .line = 2, .text = "e,\"f\""}));
}

TEST(CsvReaderTest, ARecordOfTheLimitIsGoodAndOneMoreByteIsBad) {
  for (const std::size_t limit : {1, 63, 64, 65, 200}) {
    const CsvDialect dialect = {.max_record_bytes = limit};
    const std::string fits(limit, 'x');
    for (const std::string end : {"\n", "\r\n", ""}) {
      EXPECT_THAT(FieldsOf(fits + end, dialect), ElementsAre(ElementsAre(fits)));
      const std::string text = fits + "y" + end;
      CsvReader reader(text, dialect);
      ASSERT_TRUE(reader.Next());
      EXPECT_EQ(reader.error(), fmt::format("the record is longer than {} bytes", limit));
      EXPECT_EQ(reader.error_field(), -1);
      EXPECT_FALSE(reader.Next());
    }
    EXPECT_THAT(FieldsOf("\n" + fits + "\nz\n", dialect),
                ElementsAre(ElementsAre(fits), ElementsAre("z")));
  }
}

TEST(CsvReaderTest, ReadingGoesOnAfterAnOverlongRecord) {
  const CsvDialect dialect = {.max_record_bytes = 100};
  const std::string commas(1000, ',');
  const std::string quoted = "\"" + std::string(1000, 'q') + "\"";
  const std::vector<Record> records = ReadAll(commas + "\na\n" + quoted + "\nb\n", dialect);
  ASSERT_EQ(records.size(), 4u);
  EXPECT_TRUE(records[0].bad);
  EXPECT_THAT(records[1].fields, ElementsAre("a"));
  EXPECT_TRUE(records[2].bad);
  EXPECT_EQ(records[2].text, quoted);
  EXPECT_THAT(records[3].fields, ElementsAre("b"));
}

TEST(CsvReaderTest, ALongRecordWithCarriageReturnsHintsAtThem) {
  CsvReader reader("a,b\rc,d\re,f\rg,h\n", {.max_record_bytes = 10});
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.error(),
            "the record is longer than 10 bytes; does the file end its lines with CR alone?");
}

TEST(CsvReaderTest, AQuoteThatIsNeverClosedIsGivenUpAtTheLimit) {
  std::string text = "\"open\n";
  for (int i = 0; i < 50; ++i) text += "line\n";
  CsvReader reader(text, {.max_record_bytes = 20});
  ASSERT_TRUE(reader.Next());
  EXPECT_THAT(reader.error(), HasSubstr("not closed within 20 bytes"));
  ASSERT_TRUE(reader.Next());
  EXPECT_THAT(reader.fields(), ElementsAre("line"));
  EXPECT_EQ(reader.line(), 1);
}

// The contract once more, a character at a time, as plainly as it can be written.
class PlainReader {
 public:
  explicit PlainReader(std::string_view text) : text_(text) {}

  std::vector<Record> ReadAll() {
    std::vector<Record> records;
    while (at_ < text_.size()) {
      const std::size_t start = at_;
      if (LineEndSize(at_) > 0) {
        at_ += LineEndSize(at_);
        continue;
      }
      Record record{.line = LineOf(start)};
      if (std::optional<Fields> fields = ReadFields()) {
        record.fields = *fields;
        record.text = text_.substr(start, at_ - start);
      } else {
        record.bad = true;
        at_ = start;
        while (LineEndSize(at_) == 0 && at_ < text_.size()) ++at_;
        record.text = text_.substr(start, at_ - start);
      }
      at_ += LineEndSize(at_);
      records.push_back(record);
    }
    return records;
  }

 private:
  std::size_t LineEndSize(std::size_t at) const {
    const std::string_view rest = text_.substr(at);
    if (rest.starts_with("\r\n")) return 2;
    return rest.starts_with("\n") || rest == "\r";
  }
  std::int64_t LineOf(std::size_t at) const {
    return std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  }
  bool AtFieldEnd() const {
    return at_ == text_.size() || text_[at_] == ',' || LineEndSize(at_) > 0;
  }

  std::optional<Fields> ReadFields() {
    Fields fields;
    while (true) {
      std::string field;
      if (at_ < text_.size() && text_[at_] == '"') {
        for (++at_;; ++at_) {
          if (at_ == text_.size()) return std::nullopt;
          if (text_[at_] == '"' && text_.substr(at_ + 1, 1) != "\"") break;
          if (text_[at_] == '"') ++at_;
          field += text_[at_];
        }
        ++at_;
        if (!AtFieldEnd()) return std::nullopt;
      } else {
        for (; !AtFieldEnd(); ++at_) {
          if (text_[at_] == '"') return std::nullopt;
          field += text_[at_];
        }
      }
      fields.push_back(field);
      if (at_ == text_.size() || text_[at_] != ',') return fields;
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

TEST(CsvReaderTest, AgreesWithThePlainReaderOnEveryShortText) {
  constexpr std::string_view kAlphabet = "a,\"\n\r";
  constexpr std::size_t kMaxSize = 7;
  std::vector<std::string> texts = {""};
  for (std::size_t next = 0; next < texts.size(); ++next) {
    const std::string text = texts[next];
    ASSERT_EQ(ReadAll(text), PlainReader(text).ReadAll()) << ::testing::PrintToString(text);
    if (text.size() == kMaxSize) continue;
    for (const char c : kAlphabet) texts.push_back(text + c);
  }
}

TEST(CsvReaderTest, AgreesWithThePlainReaderAcrossABlockBoundary) {
  constexpr std::string_view kAlphabet = "a,\"\n\r";
  for (int number = 0; number < 5 * 5 * 5 * 5; ++number) {
    std::string middle;
    for (int rest = number, i = 0; i < 4; ++i, rest /= 5) middle += kAlphabet[rest % 5];
    for (const std::size_t prefix : {61, 62, 63, 64}) {
      const std::string text = std::string(prefix, 'p') + middle + std::string(70, 's') + "\nt";
      ASSERT_EQ(ReadAll(text), PlainReader(text).ReadAll()) << ::testing::PrintToString(text);
    }
  }
}

}  // namespace
}  // namespace dime::records
