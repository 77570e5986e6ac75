#include "models/record_encoder.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "models/description.h"
#include "runtime/records/csv.h"
#include "tests/models/read_file.h"
#include "tests/support/status_matchers.h"

namespace dime::models {
namespace {

using ::dime::testing::ReadFile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ModelDescription Census() {
  auto census = ParseDescription(ReadFile(DIME_CENSUS_YAML), "census.yaml", "");
  EXPECT_OK(census);
  return census.ok() ? *std::move(census) : ModelDescription();
}

// The fields of a line without quotes.
std::vector<std::string_view> Split(std::string_view line) {
  std::vector<std::string_view> fields;
  while (true) {
    const std::size_t comma = line.find(',');
    fields.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

std::optional<RecordError> Append(const RecordEncoder& encoder, std::string_view line, Batch* batch,
                                  LabelUse label = LabelUse::kRequired) {
  return encoder.AppendFields(Split(line), label, batch);
}

// The last example's ids, in the schema's order.
std::vector<std::int64_t> LastIds(const Batch& batch) {
  std::vector<std::int64_t> ids;
  for (const IdColumn& column : batch.ids) ids.push_back(column.ids.back());
  return ids;
}

struct EncodedRow {
  std::string_view line;
  std::array<std::int64_t, 12> ids;
};

// Rows of the census data, and the ids that TensorFlow 2.15.1's feature columns made of them, in
// the order gender, race, education, marital_status, relationship, workclass, occupation,
// native_country, age_bucketized, and the three crosses.
constexpr EncodedRow kCensusRows[] = {
    {"25, Private, 226802, 11th, 7, Never-married, Machine-op-inspct, Own-child, Black, Male, 0, "
     "0, 40, United-States, <=50K",
     {1, 2, 2, 3, 3, 1, 46, 48, 2, 2155, 606053, 9933}},
    {"38, Private, 89814, HS-grad, 9, Married-civ-spouse, Farming-fishing, Husband, White, Male, "
     "0, 0, 50, United-States, <=50K",
     {1, 4, 1, 0, 0, 1, 42, 48, 4, 3511, 814117, 519}},
    {"28, Local-gov, 336951, Assoc-acdm, 12, Married-civ-spouse, Protective-serv, Husband, White, "
     "Male, 0, 0, 40, United-States, >50K",
     {1, 4, 6, 0, 0, 4, 36, 48, 2, 3307, 459603, 5250}},
    {"44, Private, 160323, Some-college, 10, Married-civ-spouse, Machine-op-inspct, Husband, "
     "Black, Male, 7688, 0, 40, United-States, >50K",
     {1, 2, 5, 0, 0, 1, 46, 48, 5, 8033, 700691, 9933}},
    {"18, ?, 103497, Some-college, 10, Never-married, ?, Own-child, White, Female, 0, 0, 30, "
     "United-States, <=50K",
     {0, 4, 5, 3, 3, 5, 0, 48, 1, 150, 342875, 5635}},
    {"34, Private, 198693, 10th, 6, Never-married, Other-service, Not-in-family, White, Male, 0, "
     "0, 30, United-States, <=50K",
     {1, 4, 12, 3, 1, 1, 22, 48, 3, 4244, 336741, 7961}},
    {"29, ?, 227026, HS-grad, 9, Never-married, ?, Unmarried, Black, Male, 0, 0, 40, "
     "United-States, <=50K",
     {1, 2, 1, 3, 4, 5, 0, 48, 2, 2475, 45634, 5635}},
    {"63, Self-emp-not-inc, 104626, Prof-school, 15, Married-civ-spouse, Prof-specialty, Husband, "
     "White, Male, 3103, 0, 32, United-States, >50K",
     {1, 4, 10, 0, 0, 0, 42, 48, 9, 810, 813146, 9032}},
    {"65, Without-pay, 27012, 7th-8th, 4, Widowed, Farming-fishing, Unmarried, White, Female, 0, "
     "0, 50, United-States, <=50K",
     {0, 4, 8, 6, 4, 7, 42, 48, 10, 60, 215974, 519}},
    {"18, Never-worked, 206359, 10th, 6, Never-married, ?, Own-child, White, Male, 0, 0, 40, "
     "United-States, <=50K",
     {1, 4, 12, 3, 3, 8, 0, 48, 1, 9188, 342875, 5635}},
    {"24, Federal-gov, 191073, HS-grad, 9, Never-married, Armed-Forces, Own-child, White, Male, 0, "
     "0, 40, United-States, <=50K",
     {1, 4, 1, 3, 3, 3, 65, 48, 1, 7329, 970609, 9728}},
    {"34, Private, 245487, 7th-8th, 4, Married-civ-spouse, Transport-moving, Husband, "
     "Amer-Indian-Eskimo, Male, 0, 0, 45, Mexico, <=50K",
     {1, 0, 8, 0, 0, 1, 54, 77, 3, 1790, 83136, 5403}},
    {"53, Local-gov, 140359, Preschool, 1, Never-married, Machine-op-inspct, Not-in-family, White, "
     "Female, 0, 0, 35, United-States, <=50K",
     {0, 4, 14, 3, 1, 4, 46, 48, 7, 7918, 563569, 9933}},
    {"19, Private, 544091, HS-grad, 9, Married-AF-spouse, Adm-clerical, Wife, White, Female, 0, 0, "
     "25, United-States, <=50K",
     {0, 4, 1, 5, 2, 1, 49, 48, 1, 4753, 1923, 8077}},
    {"57, Private, 190942, 1st-4th, 2, Widowed, Priv-house-serv, Not-in-family, Black, Female, 0, "
     "0, 30, United-States, <=50K",
     {0, 2, 13, 6, 1, 1, 83, 48, 8, 74, 238542, 2638}},
    {"32, Private, 27882, Some-college, 10, Never-married, Machine-op-inspct, Other-relative, "
     "White, Female, 0, 2205, 40, Holand-Netherlands, <=50K",
     {0, 4, 5, 3, 5, 1, 46, 54, 3, 8033, 605737, 471}},
    {"47, Private, 111797, Some-college, 10, Never-married, Other-service, Not-in-family, Black, "
     "Female, 0, 0, 35, Outlying-US(Guam-USVI-etc), <=50K",
     {0, 2, 5, 3, 1, 1, 22, 84, 6, 3499, 881874, 5013}},
    {"54, Self-emp-inc, 166459, Prof-school, 15, Married-civ-spouse, Prof-specialty, Husband, "
     "White, Male, 99999, 0, 60, United-States, >50K",
     {1, 4, 10, 0, 0, 6, 42, 48, 7, 810, 671503, 9032}},
    {"90, Private, 51744, HS-grad, 9, Never-married, Other-service, Not-in-family, Black, Male, 0, "
     "2206, 40, United-States, <=50K",
     {1, 2, 1, 3, 1, 1, 22, 48, 10, 139, 684877, 7961}},
    {"65, Private, 176796, HS-grad, 9, Divorced, Adm-clerical, Not-in-family, White, Female, 0, 0, "
     "40, United-States, <=50K",
     {0, 4, 1, 1, 1, 1, 49, 48, 10, 4753, 297241, 8077}},
    {"30, State-gov, 141297, Bachelors, 13, Married-civ-spouse, Prof-specialty, Husband, "
     "Asian-Pac-Islander, Male, 0, 0, 40, India, >50K",
     {1, 1, 0, 0, 0, 2, 42, 58, 3, 7682, 522296, 5521}},
    {"47, Self-emp-inc, 109832, HS-grad, 9, Divorced, Exec-managerial, Not-in-family, White, Male, "
     "0, 0, 60, United-States, <=50K",
     {1, 4, 1, 1, 1, 6, 4, 48, 6, 9356, 150309, 7069}},
    {"57, Federal-gov, 337895, Bachelors, 13, Married-civ-spouse, Prof-specialty, Husband, Black, "
     "Male, 0, 0, 40, United-States, >50K",
     {1, 2, 0, 0, 0, 3, 42, 48, 8, 7682, 692631, 9032}},
};

TEST(RecordEncoderTest, TheSchemaHasWhatTheModelUsesInOrderOfDeclaration) {
  const RecordEncoder encoder(Census());
  std::vector<std::string> ids;
  for (const IdColumnSpec& spec : encoder.schema().id_columns) ids.push_back(spec.name);
  EXPECT_THAT(
      ids, ElementsAre("gender", "race", "education", "marital_status", "relationship", "workclass",
                       "occupation", "native_country", "age_bucketized", "education_X_occupation",
                       "age_bucketized_X_occupation_X_race", "native_country_X_occupation"));
  std::vector<std::string> floats;
  for (const FloatColumnSpec& spec : encoder.schema().float_columns) floats.push_back(spec.name);
  EXPECT_THAT(floats, ElementsAre("age", "education_num", "capital_gain", "capital_loss",
                                  "hours_per_week"));
  EXPECT_EQ(encoder.schema().FindIds("occupation"), 6);
  EXPECT_EQ(encoder.schema().FindIds("age"), -1);
  EXPECT_EQ(encoder.schema().FindFloats("age"), 0);
  EXPECT_EQ(encoder.schema().FindFloats("occupation"), -1);
  EXPECT_EQ(encoder.schema().id_columns[8].num_ids, 11);
  EXPECT_EQ(encoder.schema().id_columns[10].num_ids, 1000000);
  // All but fnlwgt (2) and the label (14).
  EXPECT_THAT(encoder.feature_fields(), ElementsAre(0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13));
}

TEST(RecordEncoderTest, RealRowsGetTheIdsThatTensorFlowGivesThem) {
  const RecordEncoder encoder(Census());
  Batch batch = encoder.NewBatch();
  for (const EncodedRow& row : kCensusRows) {
    const auto error = Append(encoder, row.line, &batch);
    ASSERT_FALSE(error.has_value()) << error->reason;
    EXPECT_THAT(LastIds(batch), ::testing::ElementsAreArray(row.ids)) << row.line;
    EXPECT_EQ(batch.labels.back(), row.line.ends_with(" >50K") ? 1 : 0) << row.line;
  }
  EXPECT_EQ(batch.num_examples, static_cast<std::int64_t>(std::size(kCensusRows)));
}

TEST(RecordEncoderTest, NumbersAreCastToFloat) {
  const RecordEncoder encoder(Census());
  Batch batch = encoder.NewBatch();
  ASSERT_FALSE(Append(encoder, kCensusRows[17].line, &batch));
  std::vector<float> values;
  for (const FloatColumn& column : batch.floats) values.push_back(column.values.at(0));
  EXPECT_THAT(values, ElementsAre(54, 15, 99999, 0, 60));
}

// As TensorFlow: an empty string is no value, which also leaves no cross with its column; an
// unknown one has no id of its own, but does take part in crosses. Crosses of raw strings take ""
// as it is.
TEST(RecordEncoderTest, EmptyAndUnknownStringsAreWhatTensorFlowMakesOfThem) {
  const RecordEncoder encoder(Census());
  Batch batch = encoder.NewBatch();
  ASSERT_FALSE(Append(encoder, "17,,,,,,,,,,,,,, >50K", &batch));
  EXPECT_THAT(LastIds(batch), ElementsAre(-1, -1, -1, -1, -1, -1, -1, -1, 0, 8373, -1, 8373));
  ASSERT_FALSE(Append(encoder, "66,x,0, ?,0,x, ?,x, Martian,x,0,0,0,Cuba, >50K", &batch));
  EXPECT_THAT(LastIds(batch), ElementsAre(-1, -1, -1, -1, -1, -1, 0, 99, 10, 5014, 79511, 2932));
}

TEST(RecordEncoderTest, AnOutOfVocabularyRaceIsCrossedAsMinusOne) {
  const RecordEncoder encoder(Census());
  Batch batch = encoder.NewBatch();
  ASSERT_FALSE(Append(encoder, "17,,,,,,  ?,, Martian,,,,,, >50K", &batch));
  ASSERT_FALSE(Append(encoder, "17,,,,,, ?,, Martian,,,,,, >50K", &batch));
  EXPECT_EQ(batch.ids[10].ids[1], 753537);
  EXPECT_NE(batch.ids[10].ids[0], 753537);  // Two blanks: another string.
}

TEST(RecordEncoderTest, EmptyFieldsTakeTheirDefaults) {
  ModelDescription description = Census();
  description.input.fields[0].default_value = "39";
  description.input.fields[6].default_value = " Sales";
  description.input.fields[14].default_value = " >50K";
  const RecordEncoder encoder(description);
  Batch batch = encoder.NewBatch();
  ASSERT_FALSE(Append(encoder, ",,,,,,,,,,,,,,", &batch));
  EXPECT_EQ(batch.floats[0].values[0], 39);
  EXPECT_EQ(batch.ids[6].ids[0], 74);
  EXPECT_EQ(batch.labels[0], 1);
}

TEST(RecordEncoderTest, BlanksCountUnlessTheyAreTrimmed) {
  ModelDescription description = Census();
  const std::string_view kept = kCensusRows[0].line;
  std::string trimmed(kept);
  std::erase(trimmed, ' ');

  const RecordEncoder keeps(description);
  Batch batch = keeps.NewBatch();
  ASSERT_FALSE(Append(keeps, kept, &batch));
  ASSERT_FALSE(Append(keeps, trimmed, &batch));
  EXPECT_EQ(batch.ids[0].ids[0], batch.ids[0].ids[1]) << "vocabularies match without blanks";
  EXPECT_EQ(batch.labels[0], batch.labels[1]);
  EXPECT_NE(batch.ids[6].ids[0], batch.ids[6].ids[1]) << "hash buckets see blanks";
  EXPECT_NE(batch.ids[9].ids[0], batch.ids[9].ids[1]) << "crosses of strings see blanks";

  description.input.trim_blanks = true;
  const RecordEncoder trims(description);
  Batch alike = trims.NewBatch();
  ASSERT_FALSE(Append(trims, kept, &alike));
  ASSERT_FALSE(Append(trims, trimmed, &alike));
  for (const IdColumn& column : alike.ids) EXPECT_EQ(column.ids[0], column.ids[1]);
  EXPECT_EQ(alike.ids[6].ids[0], batch.ids[6].ids[1]);
  ASSERT_FALSE(Append(trims, "17, , , , , , , , , , , , , , >50K", &alike));
  EXPECT_EQ(alike.ids[6].ids[2], -1) << "a blank is empty once it is trimmed";
  EXPECT_EQ(alike.floats[1].values[2], 0);
}

TEST(RecordEncoderTest, MissingValuesAreEmptyFields) {
  ModelDescription description = Census();
  description.input.missing_values = {"\\N", "NA"};
  for (const bool trim_blanks : {false, true}) {
    description.input.trim_blanks = trim_blanks;
    const RecordEncoder encoder(description);
    Batch batch = encoder.NewBatch();
    const std::string rest = ",7,Never-married,NA,Own-child,Black,Male,0,\\N,40,\\N, <=50K";
    ASSERT_EQ(Append(encoder, "25,NA,NA,11th" + rest, &batch), std::nullopt);
    ASSERT_EQ(
        Append(encoder, "25,,,11th,7,Never-married,,Own-child,Black,Male,0,,40,, <=50K", &batch),
        std::nullopt);
    for (const IdColumn& column : batch.ids) EXPECT_EQ(column.ids[0], column.ids[1]);
    for (const FloatColumn& column : batch.floats) EXPECT_EQ(column.values[0], column.values[1]);
    // Blanks around one belong to it unless they are trimmed.
    EXPECT_EQ(Append(encoder, " NA,,,11th" + rest, &batch).has_value(), !trim_blanks);
  }
}

TEST(RecordEncoderTest, BoundariesBelongToTheBucketOnTheirRight) {
  ModelDescription description = Census();
  description.input.fields[0].type = FieldType::kFloat;
  const RecordEncoder encoder(description);
  Batch batch = encoder.NewBatch();
  for (const char* age : {"17.99", "18", "24.9", "25", "64.9", "65", "3e38", "-3e38"}) {
    ASSERT_FALSE(Append(encoder, std::string(age) + ",,,,,,,,,,,,,, >50K", &batch)) << age;
  }
  EXPECT_THAT(batch.ids[8].ids, ElementsAre(0, 1, 1, 2, 9, 10, 10, 0));
}

// The bucket is TensorFlow 2.15's, for both orders of the keys.
TEST(RecordEncoderTest, CrossesHashColumnsBeforeStringsWhateverTheirOrder) {
  const CrossKey race{.is_column = true, .name = "race"};
  const CrossKey occupation{.is_column = false, .name = "occupation"};
  for (const std::vector<CrossKey>& keys :
       {std::vector{race, occupation}, std::vector{occupation, race}}) {
    ModelDescription description = Census();
    const auto column =
        std::ranges::find(description.columns, "native_country_X_occupation", &FeatureColumn::name);
    column->kind = CrossedColumn{.keys = keys, .num_buckets = 1000};
    const RecordEncoder encoder(description);
    Batch batch = encoder.NewBatch();
    ASSERT_FALSE(Append(encoder, "17,,,,,, Sales,, Black,,,,,, >50K", &batch));
    EXPECT_EQ(LastIds(batch).back(), 947);
  }
}

TEST(RecordEncoderTest, AWrongRecordLeavesTheBatchAsItWas) {
  const RecordEncoder encoder(Census());
  Batch batch = encoder.NewBatch();
  ASSERT_FALSE(Append(encoder, kCensusRows[0].line, &batch));
  struct Wrong {
    std::string line;
    int field;
    const char* reason;
  };
  const std::string end = ",,,,,,,,,, <=50K";
  for (const Wrong& wrong :
       {Wrong{"", -1, "has 1 field; 15 are expected"},
        Wrong{"1,2", -1, "has 2 fields; 15 are expected"},
        Wrong{",,,,,,,,,,,,,,,", -1, "has 16 fields; 15 are expected"},
        Wrong{"abc,,,," + end, 0, "'abc' is not an integer"},
        Wrong{"3.5,,,," + end, 0, "'3.5' is not an integer"},
        Wrong{" ,,,," + end, 0, "' ' is not an integer"},
        Wrong{"2147483648,,,," + end, 0, "is not an integer of 32 bits"},
        Wrong{",,,,1e3" + end, 4, "'1e3' is not an integer"},
        Wrong{",,,,,,,,,,,,,, >50K.", 14, "' >50K.' is no label; allowed are '<=50K', '>50K'"},
        Wrong{",,,,,,,,,,,,,,", 14, "'' is no label"}}) {
    const auto error = Append(encoder, wrong.line, &batch);
    ASSERT_TRUE(error.has_value()) << wrong.line;
    EXPECT_EQ(error->field, wrong.field) << wrong.line;
    EXPECT_THAT(error->reason, HasSubstr(wrong.reason)) << wrong.line;
  }
  EXPECT_EQ(batch.num_examples, 1);
  EXPECT_EQ(batch.labels.size(), 1u);
  for (const IdColumn& column : batch.ids) EXPECT_EQ(column.ids.size(), 1u);
  for (const FloatColumn& column : batch.floats) EXPECT_EQ(column.values.size(), 1u);
}

TEST(RecordEncoderTest, ANumberThatNobodyUsesIsCheckedATextIsNot) {
  ModelDescription description = Census();
  const std::string line = "17,,what is this,,,,,,,,,,,, >50K";
  Batch batch = RecordEncoder(description).NewBatch();
  const auto error = Append(RecordEncoder(description), line, &batch);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->field, 2);
  EXPECT_EQ(error->reason, "'what is this' is not an integer of 32 bits");
  EXPECT_EQ(batch.num_examples, 0);

  description.input.fields[2].type = FieldType::kString;
  EXPECT_FALSE(Append(RecordEncoder(description), line, &batch));
}

TEST(RecordEncoderTest, AnErrorHintsAtWhatTheFileIs) {
  using namespace std::string_literals;
  const RecordEncoder encoder(Census());
  Batch batch = encoder.NewBatch();
  struct Hint {
    std::string line;
    std::string_view reason;
  };
  for (const Hint& hint :
       {Hint{" age ,,,,,,,,,,,,,, <=50K",
             "' age ' is not an integer of 32 bits; a first line of "
             "names takes `header_lines: 1` in the model's input"},
        Hint{"2\0005\000"s, "has 1 field; 15 are expected; the file looks like UTF-16"},
        Hint{",,,,,,,,,,,,,, <=50\0K"s, "' <=50\\x00K' is no label; allowed are '<=50K', '>50K'"},
        Hint{",,,,,,,,,,,,,, <=50K\r17", "the file's lines end with CR alone"}}) {
    const auto error = Append(encoder, hint.line, &batch);
    ASSERT_TRUE(error.has_value()) << hint.line;
    EXPECT_THAT(error->reason, HasSubstr(hint.reason));
    EXPECT_EQ(error->reason.find("UTF-16") != std::string::npos,
              hint.reason.find("UTF-16") != std::string_view::npos);
  }
}

TEST(RecordEncoderTest, AnIgnoredLabelMayBeAnything) {
  const RecordEncoder encoder(Census());
  Batch batch = encoder.NewBatch();
  EXPECT_FALSE(Append(encoder, "17,,,,,,,,,,,,,,", &batch, LabelUse::kIgnored));
  EXPECT_FALSE(Append(encoder, "17,,,,,,,,,,,,,,maybe", &batch, LabelUse::kIgnored));
  EXPECT_EQ(batch.num_examples, 2);
  EXPECT_TRUE(batch.labels.empty());
}

// The first census row as JSON would give it: numbers and texts, nothing for unused fields.
std::vector<FieldValue> FirstRowAsValues() {
  std::vector<FieldValue> values;
  for (const std::string_view field : Split(kCensusRows[0].line)) {
    values.push_back({.text = field, .number = std::nullopt, .present = true});
  }
  for (const auto& [position, number] :
       {std::pair{0, 25}, std::pair{4, 7}, std::pair{10, 0}, std::pair{11, 0}, std::pair{12, 40}}) {
    values[static_cast<std::size_t>(position)] = {.text = "", .number = number, .present = true};
  }
  values[2] = {};
  values[14] = {};
  return values;
}

TEST(RecordEncoderTest, ValuesGiveWhatFieldsGive) {
  const RecordEncoder encoder(Census());
  Batch from_values = encoder.NewBatch();
  const auto error = encoder.AppendValues(FirstRowAsValues(), LabelUse::kIgnored, &from_values);
  ASSERT_FALSE(error.has_value()) << error->reason;
  EXPECT_THAT(LastIds(from_values), ::testing::ElementsAreArray(kCensusRows[0].ids));
  EXPECT_EQ(from_values.floats[4].values[0], 40);
}

TEST(RecordEncoderTest, NumbersNeedNotBeWholeButFinite) {
  const RecordEncoder encoder(Census());
  Batch batch = encoder.NewBatch();
  std::vector<FieldValue> values = FirstRowAsValues();
  values[0].number = 24.5;
  ASSERT_FALSE(encoder.AppendValues(values, LabelUse::kIgnored, &batch));
  EXPECT_EQ(batch.floats[0].values[0], 24.5f);
  EXPECT_EQ(batch.ids[8].ids[0], 1);
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL, 1e300}) {
    values[0].number = bad;
    const auto error = encoder.AppendValues(values, LabelUse::kIgnored, &batch);
    ASSERT_TRUE(error.has_value()) << bad;
    EXPECT_EQ(error->field, 0);
    EXPECT_THAT(error->reason, HasSubstr("is not a finite number"));
  }
  EXPECT_EQ(batch.num_examples, 1);
}

TEST(RecordEncoderTest, MissingAndMistypedValuesAreErrors) {
  const RecordEncoder encoder(Census());
  Batch batch = encoder.NewBatch();
  for (const int field : encoder.feature_fields()) {
    std::vector<FieldValue> values = FirstRowAsValues();
    values[static_cast<std::size_t>(field)] = {};
    const auto error = encoder.AppendValues(values, LabelUse::kIgnored, &batch);
    ASSERT_TRUE(error.has_value()) << field;
    EXPECT_EQ(error->field, field);
    EXPECT_THAT(error->reason, HasSubstr("is missing"));
  }
  std::vector<FieldValue> values = FirstRowAsValues();
  values[1].number = 7;
  auto error = encoder.AppendValues(values, LabelUse::kIgnored, &batch);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->field, 1);
  EXPECT_EQ(error->reason, "is the number 7; a string is expected");
  error = encoder.AppendValues(FirstRowAsValues(), LabelUse::kRequired, &batch);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->field, 14);
  EXPECT_EQ(batch.num_examples, 0);
}

TEST(RecordEncoderTest, ANulByteIsPartOfTheString) {
  const RecordEncoder encoder(Census());
  Batch batch = encoder.NewBatch();
  std::vector<std::string_view> fields = Split(kCensusRows[0].line);
  fields[6] = std::string_view(" ?\0", 3);
  ASSERT_FALSE(encoder.AppendFields(fields, LabelUse::kRequired, &batch));
  EXPECT_NE(batch.ids[6].ids[0], 0);  // " ?" is bucket 0.
}

TEST(RecordEncoderTest, OnlyColumnsThatTheModelUsesAreMade) {
  ModelDescription description = Census();
  description.estimator.linear_columns = {"age_bucketized_X_occupation_X_race"};
  description.estimator.dnn_columns = {"capital_gain", "occupation_embedding"};
  const RecordEncoder encoder(description);
  ASSERT_EQ(encoder.schema().id_columns.size(), 2u);
  EXPECT_EQ(encoder.schema().id_columns[0].name, "occupation");
  EXPECT_EQ(encoder.schema().id_columns[1].name, "age_bucketized_X_occupation_X_race");
  EXPECT_THAT(encoder.feature_fields(), ElementsAre(0, 6, 8, 10));
  Batch batch = encoder.NewBatch();
  ASSERT_FALSE(Append(encoder, kCensusRows[0].line, &batch));
  EXPECT_THAT(LastIds(batch), ElementsAre(46, 606053));
}

TEST(RecordEncoderTest, SeveralThreadsMayEncodeAtOnce) {
  const RecordEncoder encoder(Census());
  std::vector<Batch> batches(4, encoder.NewBatch());
  std::vector<std::thread> threads;
  for (Batch& batch : batches) {
    threads.emplace_back([&encoder, &batch] {
      for (const EncodedRow& row : kCensusRows) Append(encoder, row.line, &batch);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Batch& batch : batches) {
    ASSERT_EQ(batch.num_examples, static_cast<std::int64_t>(std::size(kCensusRows)));
    for (std::size_t c = 0; c < batch.ids.size(); ++c) {
      for (std::size_t e = 0; e < std::size(kCensusRows); ++e) {
        EXPECT_EQ(batch.ids[c].ids[e], kCensusRows[e].ids[c]);
      }
    }
  }
}

TEST(RecordEncoderTest, TheWholeCensusDataIsEncoded) {
  const char* const folder = std::getenv("DIME_CENSUS_DATA");
  if (folder == nullptr) GTEST_SKIP() << "DIME_CENSUS_DATA does not name the census data's folder";
  const RecordEncoder encoder(Census());
  struct File {
    const char* name;
    std::int64_t rows;
    double positive;
  };
  for (const File& file :
       {File{"adult.data.csv", 32561, 7841}, File{"adult.test.csv", 16278, 3845}}) {
    const std::string text = ReadFile(std::string(folder) + "/" + file.name);
    Batch batch = encoder.NewBatch();
    records::CsvReader reader(text, {});
    while (reader.Next()) {
      ASSERT_EQ(reader.error(), "");
      const auto error = encoder.AppendFields(reader.fields(), LabelUse::kRequired, &batch);
      ASSERT_FALSE(error.has_value()) << error->reason;
    }
    EXPECT_EQ(batch.num_examples, file.rows);
    double positive = 0;
    for (const float label : batch.labels) positive += label;
    EXPECT_EQ(positive, file.positive);
    for (const IdColumn& column : batch.ids) {
      EXPECT_THAT(column.ids, ::testing::Each(::testing::Ge(0)));
    }
  }
}

}  // namespace
}  // namespace dime::models
