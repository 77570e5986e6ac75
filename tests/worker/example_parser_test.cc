#include "worker/input/example_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "models/batch.h"
#include "models/description.h"
#include "runtime/records/example.h"
#include "runtime/records/tfrecord.h"
#include "tests/support/status_matchers.h"
#include "worker/input/record_parser.h"

namespace dime::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kPage[] = R"(
input:
  fields:
    - {name: tags, type: string, values: any}
    - {name: strengths, type: float, values: any}
    - {name: parts, type: integer, values: any}
    - {name: user, type: integer, default: -1}
    - {name: point, type: float, values: 2, value_separator: ";"}
    - {name: importance, type: float}
    - {name: price, type: float}
label: {field: price, weight_field: importance}
columns:
  tags: {kind: hash_bucket, buckets: 1000}
  tags_weighted_by_strengths: {kind: weighted, source: tags, weight_field: strengths}
  parts: {kind: identity, buckets: 1000}
  user: {kind: hash_bucket, buckets: 1000000}
  point: {kind: numeric}
  parts_X_tags: {kind: crossed, keys: [tags, {column: parts}], buckets: 5000}
estimator:
  kind: LinearRegressor
  linear_columns: [tags_weighted_by_strengths, parts, user, point, parts_X_tags]
  linear_optimizer: {kind: ftrl, learning_rate: 0.2}
)";

using Texts = std::vector<std::string>;
using Floats = std::vector<float>;
using Integers = std::vector<std::int64_t>;

class ExampleParserTest : public ::testing::Test {
 protected:
  ExampleParserTest()
      : description_(*models::ParseDescription(kPage, "page.yaml", "")),
        encoder_(description_),
        parser_(description_.input, encoder_) {}

  ParsedText Parse(const records::Example& example) {
    std::string framed;
    records::AppendRecord(records::SerializeExample(example), &framed);
    auto parsed = parser_.Parse(framed, /*offset=*/0);
    EXPECT_OK(parsed);
    return *std::move(parsed);
  }

  const models::ModelDescription description_;
  const models::RecordEncoder encoder_;
  const ExampleParser parser_;
};

const records::Example kExample = {
    {"tags", Texts{"b", "", "a"}}, {"strengths", Floats{2, 1, 0.5f}},
    {"parts", Integers{7, -1}},    {"user", Integers{9'007'199'254'740'993}},  // 2^53 + 1
    {"point", Floats{0.25f, -3}},  {"importance", Floats{4}},
    {"price", Floats{5}}};

TEST_F(ExampleParserTest, ListsIdsAndWeightsAreThoseOfCsv) {
  const ParsedText parsed = Parse(kExample);
  const ParsedText csv = RecordParser(description_.input, encoder_, 1000)
                             .ParseWhole("b||a,2|1|0.5,7|-1,9007199254740993,0.25;-3,4,5\n");
  ASSERT_EQ(parsed.examples.num_examples, 1);
  ASSERT_EQ(csv.examples.num_examples, 1);
  for (std::size_t c = 0; c < csv.examples.ids.size(); ++c) {
    const std::string& name = encoder_.schema().id_columns[c].name;
    EXPECT_EQ(parsed.examples.ids[c].ids, csv.examples.ids[c].ids) << name;
    EXPECT_EQ(parsed.examples.ids[c].offsets, csv.examples.ids[c].offsets) << name;
    EXPECT_EQ(parsed.examples.ids[c].weights, csv.examples.ids[c].weights) << name;
  }
  EXPECT_EQ(parsed.examples.floats[0].values, csv.examples.floats[0].values);
  EXPECT_THAT(parsed.examples.weights, ElementsAre(4));
  EXPECT_THAT(parsed.examples.labels, ElementsAre(5));
}

TEST_F(ExampleParserTest, AListThatIsMissingIsEmpty) {
  records::Example example = kExample;
  for (const char* const name : {"tags", "strengths", "parts"}) example.erase(name);
  const ParsedText parsed = Parse(example);
  ASSERT_EQ(parsed.examples.num_examples, 1);
  const int tags = encoder_.schema().FindIds("tags_weighted_by_strengths");
  EXPECT_THAT(parsed.examples.ids[static_cast<std::size_t>(tags)].offsets, ElementsAre(0, 0));
}

TEST_F(ExampleParserTest, WhatIsWrongWithAListIsSaid) {
  const auto reason_of = [this](const std::string& name, const records::ExampleFeature& feature) {
    records::Example example = kExample;
    example[name] = feature;
    const ParsedText parsed = Parse(example);
    EXPECT_EQ(parsed.examples.num_examples, 0);
    return parsed.bad_records.empty() ? "" : parsed.bad_records[0].message;
  };
  EXPECT_THAT(reason_of("strengths", Floats{1}), HasSubstr("'strengths': has 1 value for 3"));
  EXPECT_THAT(reason_of("point", Floats{1, 2, 3}), HasSubstr("'point': has 3 values; 2"));
  EXPECT_THAT(reason_of("parts", Floats{1.5f}), HasSubstr("1.5 is not an integer"));
  EXPECT_THAT(reason_of("tags", Integers{1}), HasSubstr("strings are expected"));
  EXPECT_THAT(reason_of("importance", Floats{-1}), HasSubstr("-1 is no weight"));
  EXPECT_THAT(reason_of("importance", Floats{}), HasSubstr("has 0 values"));
}

TEST_F(ExampleParserTest, WithoutAWeightAnExampleIsBad) {
  records::Example example = kExample;
  example.erase("importance");
  const ParsedText parsed = Parse(example);
  ASSERT_EQ(parsed.bad_records.size(), 1u);
  EXPECT_THAT(parsed.bad_records[0].message, HasSubstr("'importance': is missing; a weight"));
}

TEST_F(ExampleParserTest, TooManyCombinationsAreABadRecord) {
  records::Example example = kExample;
  example["tags"] = Texts(300, "a");
  example["strengths"] = Floats(300, 1.0f);
  example["parts"] = Integers(300, 1);
  const ParsedText parsed = Parse(example);
  ASSERT_EQ(parsed.bad_records.size(), 1u);
  EXPECT_THAT(parsed.bad_records[0].message, HasSubstr("more than 65536 combinations"));
}

}  // namespace
}  // namespace dime::worker
