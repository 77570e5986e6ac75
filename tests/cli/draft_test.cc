#include "cli/draft/draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <variant>
#include <vector>

#include "cli/data/synthetic/write_rows.h"
#include "models/description.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text_file.h"

namespace dime::cli {
namespace {

using ::dime::testing::IsOk;
using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class DraftTest : public ::testing::Test {
 protected:
  absl::StatusOr<Draft> DraftOf(std::string_view text, const DraftOptions& options) {
    std::ofstream(dir_.File("data"), std::ios::binary) << text;
    return MakeDraft(dir_.File("data"), options);
  }
  // The draft and what its page is read as.
  struct Described {
    Draft draft;
    models::ModelDescription model;
  };
  Described Describe(std::string_view text, const DraftOptions& options) {
    Described described;
    absl::StatusOr<Draft> draft = DraftOf(text, options);
    EXPECT_THAT(draft, IsOk());
    if (!draft.ok()) return described;
    described.draft = *std::move(draft);
    auto model = models::ParseDescription(described.draft.page, "draft.yaml", "");
    EXPECT_THAT(model, IsOk());
    if (model.ok()) described.model = *std::move(model);
    return described;
  }

  const TempDir dir_;
};

template <typename Kind>
const Kind& ColumnOf(const models::ModelDescription& model, const std::string& name) {
  static const Kind kNone{};
  const models::FeatureColumn* const column = model.FindColumn(name);
  EXPECT_NE(column, nullptr) << name;
  if (column == nullptr || !std::holds_alternative<Kind>(column->kind)) return kNone;
  return std::get<Kind>(column->kind);
}

const DraftedColumn& ReportOn(const Draft& draft, const std::string& name) {
  static const DraftedColumn kNone;
  for (const DraftedColumn& column : draft.columns) {
    if (column.name == name) return column;
  }
  ADD_FAILURE() << "nothing is said about " << name;
  return kNone;
}

// Rows made by a function of their number.
template <typename Row>
std::string Rows(int count, Row row) {
  std::string text;
  for (int i = 0; i < count; ++i) text += fmt::format("{}\n", row(i));
  return text;
}

// "age,city,id,score,note,bought" with numbers, few and many texts, ids, and a label.
std::string Shop(const std::string& separator, const std::string& line_end, bool has_header) {
  std::string text;
  if (has_header) {
    const std::string names[] = {"\"Age\"", "City", "Id", "Price (EUR)", "bought"};
    text = fmt::format("{}{}", fmt::join(names, separator), line_end);
  }
  for (int i = 0; i < 300; ++i) {
    text += fmt::format("{}{sep}\"{}\"{sep}u{}{sep}{}.5{sep}{}{}", 20 + i % 50,
                        i % 3 == 0 ? "Rome, \"\"IT\"\"" : "Bern", i, 7 * i % 1000,
                        i % 4 == 0 ? "yes" : "no", line_end, fmt::arg("sep", separator));
  }
  return text;
}

TEST_F(DraftTest, CensusDataAreFoundOut) {
  const std::string rows = SyntheticCsv(*MakeCensusRows({}), 5000, 1);
  for (const char* label : {"15", "column_15"}) {
    const auto [draft, model] = Describe(rows, {.label = label});
    EXPECT_EQ(model.input.separator, ',');
    EXPECT_EQ(model.input.header_lines, 0);
    EXPECT_TRUE(model.input.trim_blanks);
    EXPECT_EQ(model.input.fields.size(), 15u);
    EXPECT_THAT(model.label.vocabulary, ElementsAre("<=50K", ">50K"));
    EXPECT_EQ(model.estimator.kind, models::EstimatorKind::kDnnLinearCombinedClassifier);
    ColumnOf<models::NumericColumn>(model, "column_1");
    EXPECT_GE(ColumnOf<models::BucketizedColumn>(model, "column_1_bucketized").boundaries.size(),
              8u);
    EXPECT_EQ(ColumnOf<models::VocabularyColumn>(model, "column_10").vocabulary.size(), 2u);
    EXPECT_THAT(draft.findings,
                Contains(HasSubstr("all 5000 rows, 15 columns, separated by a comma")));
    EXPECT_EQ(ReportOn(draft, "column_15").used_as, "label");
  }
}

TEST_F(DraftTest, ClickDataAreFoundOut) {
  const auto [draft, model] = Describe(SyntheticCsv(*MakeClickRows({}), 5000, 1), {.label = "1"});
  EXPECT_EQ(model.input.separator, '\t');
  EXPECT_FALSE(model.input.trim_blanks);
  EXPECT_EQ(model.label.num_classes, 2);
  const auto& hashed = ColumnOf<models::HashBucketColumn>(model, "column_17");  // C3.
  EXPECT_GE(hashed.num_buckets, 20'000);
  EXPECT_GT(ColumnOf<models::EmbeddingColumn>(model, "column_17_embedding").dim, 1);
  EXPECT_THAT(ReportOn(draft, "column_17").why, HasSubstr("surely more in the file"));
  EXPECT_THAT(ReportOn(draft, "column_2").missing, HasSubstr("4"));  // I1: 45 %.
}

TEST_F(DraftTest, SeparatorsQuotesAndLineEndsAreFoundOut) {
  for (const std::string separator : {",", "\t", ";", "|"}) {
    for (const std::string line_end : {"\n", "\r\n"}) {
      const auto [draft, model] = Describe(Shop(separator, line_end, true), {.label = "bought"});
      EXPECT_EQ(model.input.separator, separator[0]);
      EXPECT_EQ(model.input.header_lines, 1);
      std::vector<std::string> names;
      for (const models::Field& field : model.input.fields) names.push_back(field.name);
      EXPECT_THAT(names, ElementsAre("Age", "City", "Id", "Price__EUR_", "bought"));
      EXPECT_THAT(model.label.vocabulary, ElementsAre("no", "yes"));
      EXPECT_THAT(ColumnOf<models::VocabularyColumn>(model, "City").vocabulary,
                  ElementsAre("Bern", "Rome, \"IT\""));
      EXPECT_EQ(model.FindColumn("Id"), nullptr) << "ids say nothing";
      EXPECT_THAT(ReportOn(draft, "Id").why, HasSubstr("no two rows have the same"));
    }
  }
}

TEST_F(DraftTest, AHeaderIsToldFromRows) {
  const auto lines = [&](const std::string& text, std::optional<bool> has_header = {}) {
    return Describe(text, {.label = "2", .has_header = has_header}).model.input.header_lines;
  };
  const std::string texts = Rows(40, [](int i) { return i % 2 == 0 ? "red,big" : "blue,small"; });
  EXPECT_EQ(lines(Shop(",", "\n", false)), 0) << "numbers in the first line";
  EXPECT_EQ(lines(texts), 0) << "values that stand further below";
  EXPECT_EQ(lines("colour,size\n" + texts), 1);
  EXPECT_EQ(Describe("a,2\nb,1\nc,0\na,1\nb,1\n", {.label = "2"}).model.input.header_lines, 0);
  EXPECT_EQ(Describe("blue,size\n" + texts, {.label = "size"}).model.input.header_lines, 1)
      << "a line that names the label";
  EXPECT_EQ(lines("\n\"col\nour\",size\n" + texts), 3) << "lines, not records, are skipped";
  EXPECT_EQ(lines(texts, true), 1) << "the user knows";
  EXPECT_EQ(lines("colour,size\n" + texts, false), 0);
}

TEST_F(DraftTest, AFirstLineThatNamesTheLabelIsAHeaderWhateverElseItHolds) {
  const auto rows = Rows(100, [](int i) { return fmt::format("{},{},{}", i * 3, i % 5, i % 2); });
  for (const char* const header : {",a,y", "a,a,y", "1,a,y"}) {
    const auto [draft, model] = Describe(fmt::format("{}\n{}", header, rows), {.label = "y"});
    EXPECT_EQ(model.input.header_lines, 1) << header;
    EXPECT_EQ(model.label.field, "y") << header;
  }
}

TEST_F(DraftTest, AClassOfTextsOrNumbersOrANumberIsForetold) {
  const auto label_of = [&](auto label_of_row) {
    return Describe(
        Rows(400, [&](int i) { return fmt::format("{},{}", i * 7 % 40, label_of_row(i)); }),
        {.label = "2"});
  };
  const auto digits = label_of([](int i) { return i % 10; }).model;
  EXPECT_EQ(digits.label.num_classes, 10);
  const auto signs = label_of([](int i) { return i % 3 == 0 ? -1 : 1; }).model;
  EXPECT_THAT(signs.label.vocabulary, ElementsAre("1", "-1"));
  const auto flags = label_of([](int i) { return i % 3 == 0 ? "False" : "True"; }).model;
  EXPECT_THAT(flags.label.vocabulary, ElementsAre("False", "True"));
  const auto colours = label_of([](int i) {
    return i % 4 == 0 ? "red" : i % 4 == 1 ? "blue" : "none";
  });
  EXPECT_THAT(colours.model.label.vocabulary, ElementsAre("none", "blue", "red"));
  const auto prices = label_of([](int i) { return i * 37 % 401 + 0.5; }).model;
  EXPECT_EQ(prices.estimator.kind, models::EstimatorKind::kDnnLinearCombinedRegressor);
  EXPECT_EQ(models::NumClasses(prices.label), 0);
}

TEST_F(DraftTest, NumbersOfAnyKindAreDescribed) {
  const auto [draft, model] = Describe(
      "few,tail,holes,large,words,rest,y\n" +
          Rows(1000,
               [](int i) {
                 return fmt::format("{},{},{},{},{},{},{}", i % 3, i % 20 == 0 ? i * 1000 : 0,
                                    i % 4 == 0 ? "" : std::to_string(i % 30 - 10),
                                    5'000'000'000 + i * 7919 % 1000,
                                    i % 9 == 0 ? "NA" : std::to_string(i % 60), "same", i % 2);
               }),
      {.label = "y"});
  EXPECT_THAT(ColumnOf<models::BucketizedColumn>(model, "few_bucketized").boundaries,
              ElementsAre(1, 2));
  const auto& tail = ColumnOf<models::BucketizedColumn>(model, "tail_bucketized").boundaries;
  EXPECT_EQ(tail.front(), 20'000) << "0, nearly always, has a bucket of its own";
  EXPECT_GE(tail.size(), 9u);
  EXPECT_EQ(model.input.fields[2].default_value, "-11");
  EXPECT_EQ(ColumnOf<models::BucketizedColumn>(model, "holes_bucketized").boundaries.front(), -10)
      << "missing ones have a bucket of their own";
  EXPECT_EQ(model.input.fields[3].type, models::FieldType::kFloat);
  EXPECT_THAT(ReportOn(draft, "words").why, HasSubstr("numbers but for 'NA'"));
  EXPECT_THAT(ReportOn(draft, "rest").why, HasSubstr("always the same"));
  EXPECT_THAT(model.estimator.dnn_columns, Not(Contains("large"))) << "it would drown the others";
  EXPECT_THAT(model.estimator.dnn_columns, Contains("few"));
}

TEST_F(DraftTest, NumbersThatFloatsCannotTellApartAreLeftOut) {
  const auto [draft, model] =
      Describe(Rows(400,
                    [](int i) {
                      return fmt::format("{},{},{},{}", 1'000'000'000'000'000'000 + i * 7 % 400,
                                         123456789 + i % 3, i % 5, i % 2);
                    }),
               {.label = "4"});
  EXPECT_THAT(ReportOn(draft, "column_1").why, HasSubstr("subtract"));
  EXPECT_THAT(ReportOn(draft, "column_2").why, HasSubstr("subtract"));
  EXPECT_THAT(model.estimator.dnn_columns, Not(Contains("column_1")));
  EXPECT_THAT(model.estimator.linear_columns, Not(Contains("column_2")));
}

TEST_F(DraftTest, ADecimalCommaIsSaid) {
  const auto [draft, model] = Describe(
      Rows(100, [](int i) { return fmt::format("{0},{1};{2};{3}", i, i % 10, i % 5, i % 2); }),
      {.label = "3"});
  EXPECT_THAT(ReportOn(draft, "column_1").why, HasSubstr("decimal comma"));
}

TEST_F(DraftTest, NamesThatAPageCannotHoldAreChanged) {
  const auto [draft, model] = Describe(
      "null,a b,a\xc3\xa4,a_b,a_b_indicator,.x,,y\n" +
          Rows(100,
               [](int i) { return fmt::format("{0},{0},{0},{0},{0},{0},{0},{1}", i % 7, i % 2); }),
      {.label = "y", .has_header = true});
  std::vector<std::string> names;
  for (const models::Field& field : model.input.fields) names.push_back(field.name);
  EXPECT_THAT(names,
              ElementsAre("null", "a_b", "a__", "a_b_2", "a_b_indicator_", "_x", "column_7", "y"));
}

TEST_F(DraftTest, ValuesThatAPageCannotHoldAreHashed) {
  const auto [draft, model] = Describe(
      Rows(100, [](int i) { return fmt::format("{},{}", i % 2 ? "a\x01" : "\xff\xfe", i % 3); }),
      {.label = "2"});
  ColumnOf<models::HashBucketColumn>(model, "column_1");
}

TEST_F(DraftTest, OnlyTheSampleIsLookedAt) {
  std::string text = Rows(1000, [](int i) { return fmt::format("{},{}", i % 5, i % 2); });
  text += Rows(100'000, [](int i) { return fmt::format("text {},{}", i, i % 2); });
  const auto [draft, model] = Describe(text, {.label = "2", .sample_rows = 1000});
  EXPECT_EQ(model.input.fields[0].type, models::FieldType::kInteger);
  EXPECT_THAT(draft.findings[0], HasSubstr("the first 1000 rows"));
  EXPECT_THAT(draft.page, HasSubstr("from the first 1000 rows"));
}

TEST_F(DraftTest, BadRowsAreLeftOutAndSaid) {
  std::string text = Rows(200, [](int i) { return fmt::format("{},{}", i % 5, i % 2); });
  text += "1,2,3\n4,\"open\n";
  const auto [draft, model] = Describe(text, {.label = "2"});
  EXPECT_THAT(draft.findings,
              Contains(AllOf(HasSubstr("2 bad rows"), HasSubstr("line 201: 3 columns, not 2"))));
}

TEST_F(DraftTest, AMissingLabelIsSaid) {
  const auto [draft, model] =
      Describe(Rows(200,
                    [](int i) {
                      return fmt::format("{},{}", i % 5, i < 9 ? "" : i % 2 ? "a" : "b");
                    }),
               {.label = "2"});
  EXPECT_THAT(draft.findings, Contains(HasSubstr("the label is missing in 9 rows")));
}

TEST_F(DraftTest, AGzipFileIsUnpacked) {
  std::string packed;
  const auto rows = MakeCensusRows({});
  std::vector<std::unique_ptr<storage::AtomicFile>> files;
  files.push_back(std::make_unique<dime::testing::TextFile>(&packed));
  ASSERT_OK(WriteRows(*rows, {.num_rows = 20'000, .gzip = true}, files));
  const Draft plain = Describe(SyntheticCsv(*rows, 20'000, 1), {.label = "15"}).draft;
  EXPECT_EQ(Describe(packed, {.label = "15"}).draft.page, plain.page);
  EXPECT_EQ(Describe(packed + packed, {.label = "15", .sample_rows = 20'000}).draft.columns.size(),
            15u);
  EXPECT_THAT(DraftOf(packed.substr(0, packed.size() / 2), {.label = "15"}).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("it ends in the middle")));
  packed[packed.size() / 2] ^= 0x55;
  packed[packed.size() / 2 + 1] ^= 0x55;
  EXPECT_THAT(DraftOf(packed, {.label = "15"}).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(DraftTest, WhatIsNoTableIsSaid) {
  const std::string rows = Rows(100, [](int i) { return fmt::format("{},{}", i % 5, i % 2); });
  const struct {
    std::string text;
    const char* label;
    absl::StatusCode code;
    const char* message;
  } cases[] = {
      {"", "1", absl::StatusCode::kDataLoss, "there is nothing in it"},
      {" \n\n", "1", absl::StatusCode::kDataLoss, "there is nothing in it"},
      {std::string("a\0b,c\n", 6), "1", absl::StatusCode::kDataLoss, "it is no text"},
      {"PAR1xxxx", "1", absl::StatusCode::kDataLoss, "a Parquet file"},
      {"\xff\xfe" + std::string("a\0,\0", 4), "1", absl::StatusCode::kDataLoss, "text in UTF-16"},
      {"1\n2\n3\n", "1", absl::StatusCode::kDataLoss, "no separator"},
      {"name,size\n", "size", absl::StatusCode::kDataLoss, "no row below the header"},
      {"name,size\nx,y\n", "size", absl::StatusCode::kOutOfRange, "there is nothing to learn"},
      {rows, "3", absl::StatusCode::kInvalidArgument, "no column is called '3'"},
      {rows, "0", absl::StatusCode::kInvalidArgument, "number, 1 to 2"},
      {"colour,size\n" + rows, "sise", absl::StatusCode::kInvalidArgument, "did you mean 'size'?"},
      {Rows(100, [](int i) { return fmt::format("{},7", i % 5); }), "2",
       absl::StatusCode::kOutOfRange, "always '7'"},
      {Rows(100, [](int i) { return fmt::format("{},{}", i, i % 2); }), "2",
       absl::StatusCode::kOutOfRange, "no column is left"},
      {Rows(2000, [](int i) { return fmt::format("{},name {}", i % 5, i); }), "2",
       absl::StatusCode::kOutOfRange, "too many for classes"},
  };
  for (const auto& [text, label, code, message] : cases) {
    EXPECT_THAT(DraftOf(text, {.label = label}).status(), StatusIs(code, HasSubstr(message)));
  }
  EXPECT_THAT(MakeDraft(dir_.File("none"), {.label = "1"}).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

}  // namespace
}  // namespace dime::cli
