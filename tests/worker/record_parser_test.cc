// The parser takes plain rows a block at a time; here it is held against the same records parsed
// one by one, each as a text of its own, which is too short for a block.
#include "worker/input/record_parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <string_view>

#include "cli/data/synthetic/write_rows.h"
#include "models/description.h"
#include "tests/support/status_matchers.h"
#include "worker/input/printable.h"

namespace dime::worker {
namespace {

constexpr std::size_t kMaxRecordBytes = 4096;

models::ModelDescription Census() {
  std::ifstream file(DIME_CENSUS_YAML);
  const std::string yaml{std::istreambuf_iterator<char>(file), {}};
  auto description = models::ParseDescription(yaml, "census.yaml", "");
  EXPECT_OK(description);
  return *std::move(description);
}

ParsedText ParseOneByOne(const RecordParser& parser, const models::RecordEncoder& encoder,
                         std::string_view text) {
  static const models::ModelDescription description = Census();
  ParsedText all;
  all.examples = encoder.NewBatch();
  records::CsvReader reader(text, {.separator = ',', .max_record_bytes = kMaxRecordBytes});
  while (reader.Next()) {
    if (!reader.error().empty()) {  // By itself it could be wrong in another way.
      ++all.num_bad_records;
      if (all.bad_records.size() == kMaxBadRecordMessages) continue;
      const auto field = static_cast<std::size_t>(reader.error_field());
      all.bad_records.push_back(
          {reader.line(),
           fmt::format("field {} ('{}'): {}; data that do not quote take `quoting: none` in the "
                       "model's input",
                       field + 1, description.input.fields.at(field).name,
                       Printable(reader.error(), 160))});
      continue;
    }
    const ParsedText one = parser.ParseWhole(reader.record());
    models::AppendExamples(one.examples, &all.examples);
    all.num_bad_records += one.num_bad_records;
    for (const BadRecord& bad : one.bad_records) {
      if (all.bad_records.size() == kMaxBadRecordMessages) break;
      all.bad_records.push_back({reader.line(), bad.message});
    }
  }
  all.num_lines = reader.line();
  return all;
}

void ExpectEqual(const models::Batch& batch, const models::Batch& expected) {
  ASSERT_EQ(batch.num_examples, expected.num_examples);
  for (std::size_t c = 0; c < batch.ids.size(); ++c) {
    EXPECT_EQ(batch.ids[c].ids, expected.ids[c].ids) << "id column " << c;
    EXPECT_EQ(batch.ids[c].offsets, expected.ids[c].offsets) << "id column " << c;
  }
  for (std::size_t c = 0; c < batch.floats.size(); ++c) {
    EXPECT_EQ(batch.floats[c].values, expected.floats[c].values) << "float column " << c;
  }
  EXPECT_EQ(batch.labels, expected.labels);
  EXPECT_EQ(batch.weights, expected.weights);
}

void ExpectEqual(const ParsedText& parsed, const ParsedText& expected) {
  ExpectEqual(parsed.examples, expected.examples);
  EXPECT_EQ(parsed.num_lines, expected.num_lines);
  EXPECT_EQ(parsed.num_bad_records, expected.num_bad_records);
  ASSERT_EQ(parsed.bad_records.size(), expected.bad_records.size());
  for (std::size_t i = 0; i < parsed.bad_records.size(); ++i) {
    EXPECT_EQ(parsed.bad_records[i].line, expected.bad_records[i].line);
    EXPECT_EQ(parsed.bad_records[i].message, expected.bad_records[i].message);
  }
}

// Census rows, one in `rareness` of whose fields is something else.
std::string DamagedRows(int num_rows, std::uint64_t rareness, std::uint64_t seed) {
  using namespace std::string_literals;
  static const std::string kOthers[] = {"",
                                        " ",
                                        "  7 ",
                                        " +5",
                                        " -3",
                                        " 0",
                                        "-12",
                                        "2147483647",
                                        "12345678",
                                        "123456789",
                                        "2147483648",
                                        "1e3",
                                        "4.5",
                                        "0x1F",
                                        "nan",
                                        "\t8",
                                        " ?",
                                        "?",
                                        " Martian",
                                        "White",
                                        "  White  ",
                                        " Sales\t",
                                        "\" Sales\"",
                                        "\"a\"\"b\"",
                                        "\"x,y\"",
                                        "\"two\nlines\"",
                                        "a\"b",
                                        "\"open",
                                        "\0"s,
                                        " Sales\0"s,
                                        "\r",
                                        " a\rb",
                                        " >50K",
                                        " <=50K.",
                                        ",",
                                        ",,,",
                                        "\n",
                                        "\n\n",
                                        "\r\n",
                                        " Married-civ-spouse-and-a-long-tail-behind-it",
                                        " exactly-thirty-one-bytes-long",
                                        " exactly-thirty-two-bytes-longer"};
  std::mt19937_64 random(seed);
  std::istringstream rows(cli::SyntheticCsv(*cli::MakeCensusRows({}), num_rows, seed));
  std::string text;
  for (std::string row; std::getline(rows, row);) {
    row += ',';
    for (std::size_t start = 0; start < row.size();) {
      const std::size_t end = row.find(',', start);
      std::string field = row.substr(start, end - start);
      if (random() % rareness == 0) field = kOthers[random() % std::size(kOthers)];
      if (random() % rareness == 0) field += std::to_string(random());
      text += field + (end + 1 == row.size() ? "" : ",");
      start = end + 1;
    }
    text += random() % 10 == 0 ? "\r\n" : "\n";
  }
  text.resize(text.size() - random() % 50);
  return text;
}

class RecordParserTest : public ::testing::TestWithParam<bool> {};

TEST_P(RecordParserTest, RowsInBlocksGiveWhatRecordsOneByOneGive) {
  models::ModelDescription description = Census();
  description.input.trim_blanks = GetParam();
  description.input.fields[0].default_value = "39";
  description.input.fields[6].default_value = " Sales";
  description.input.fields[10].type = models::FieldType::kFloat;
  description.label.weight_field = "fnlwgt";
  const models::RecordEncoder encoder(description);
  const RecordParser parser(description.input, encoder, kMaxRecordBytes);
  for (const std::uint64_t rareness : {1000000, 2000, 300, 30, 3}) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      SCOPED_TRACE(::testing::Message() << "rareness " << rareness << ", seed " << seed);
      const std::string text = DamagedRows(1200, rareness, seed);
      const ParsedText parsed = parser.ParseWhole(text);
      EXPECT_GT(parsed.examples.num_examples, rareness < 30 ? 0 : 500);
      ExpectEqual(parsed, ParseOneByOne(parser, encoder, text));
    }
  }
}

TEST_P(RecordParserTest, APrefixAndTheRestGiveWhatTheWholeGives) {
  models::ModelDescription description = Census();
  description.input.trim_blanks = GetParam();
  const models::RecordEncoder encoder(description);
  const RecordParser parser(description.input, encoder, kMaxRecordBytes);
  const std::string text = DamagedRows(600, 200, 1);
  const ParsedText whole = parser.ParseWhole(text);
  std::mt19937_64 random(1);
  for (int i = 0; i < 50; ++i) {
    const std::size_t cut = random() % text.size();
    std::size_t consumed = 0;
    ParsedText parsed = parser.ParsePrefix(std::string_view(text).substr(0, cut), &consumed);
    const ParsedText rest = parser.ParseWhole(std::string_view(text).substr(consumed));
    models::AppendExamples(rest.examples, &parsed.examples);
    ExpectEqual(parsed.examples, whole.examples);
    EXPECT_EQ(parsed.num_lines + rest.num_lines, whole.num_lines);
    EXPECT_EQ(parsed.num_bad_records + rest.num_bad_records, whole.num_bad_records);
  }
}

INSTANTIATE_TEST_SUITE_P(BlanksKeptAndTrimmed, RecordParserTest, ::testing::Bool());

// More texts than are remembered, in columns of every kind.
TEST(RecordParserTest, TextsOfManyValuesGiveTheSame) {
  const models::ModelDescription description = Census();
  const models::RecordEncoder encoder(description);
  const RecordParser parser(description.input, encoder, kMaxRecordBytes);
  std::mt19937_64 random(1);
  std::string text;
  for (int i = 0; i < 20000; ++i) {
    // First many values, then few, then many again: what is looked up changes.
    const std::uint64_t values = i / 5000 % 2 == 0 ? 1000000 : 20;
    const auto any = [&] { return std::to_string(random() % values); };
    text += any() + "," + any() + "," + any() + "," + any() + "," + any() + "," + any() + "," +
            any() + "," + any() + "," + any() + "," + any() + "," + any() + "," + any() + "," +
            any() + "," + any() + (i % 2 == 0 ? ",<=50K\n" : ",>50K\n");
  }
  ExpectEqual(parser.ParseWhole(text), ParseOneByOne(parser, encoder, text));
}

}  // namespace
}  // namespace dime::worker
