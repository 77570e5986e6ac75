// Lists, weights, integers as ids, shapes and vocabularies in files: from the page to a batch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "models/description.h"
#include "models/record_encoder.h"
#include "ops/hashing.h"
#include "runtime/records/csv.h"
#include "runtime/storage/file_system.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kListsPage[] = R"(
input:
  fields:
    - {name: tags, type: string, values: any}
    - {name: weights, type: float, values: any}
    - {name: user, type: integer, default: -1}
    - {name: point, type: float, values: 2, value_separator: ";", default: 1.5}
    - {name: kind, type: string}
    - {name: importance, type: float}
    - {name: price, type: float}
label: {field: price, weight_field: importance}
columns:
  tags: {kind: vocabulary_list, vocabulary: [a, b, c], oov_buckets: 2}
  tags_weighted_by_weights: {kind: weighted, source: tags, weight_field: weights}
  user: {kind: identity, buckets: 10}
  user_hash: {kind: hash_bucket, field: user, buckets: 1000}
  point: {kind: numeric, normalizer: {kind: min_max, min: 1, max: 3}}
  point_bucketized: {kind: bucketized, source: point, boundaries: [0, 0.5]}
  kind_X_tags: {kind: crossed, keys: [kind, tags], buckets: 1000000}
estimator:
  kind: LinearRegressor
  linear_columns: [tags_weighted_by_weights, user, user_hash, point, point_bucketized, kind_X_tags]
  linear_optimizer: {kind: ftrl, learning_rate: 0.2}
)";

std::string ListsPageWith(std::string_view from, std::string_view to) {
  std::string page = kListsPage;
  page.replace(page.find(from), from.size(), to);
  return page;
}

class ListsTest : public ::testing::Test {
 protected:
  ListsTest()
      : encoder_(*ParseDescription(kListsPage, "lists.yaml", "")), batch_(encoder_.NewBatch()) {}

  // Encodes a CSV record; "" or what is wrong with it.
  std::string Append(std::string_view line) {
    records::CsvReader reader(line, {});
    EXPECT_TRUE(reader.Next());
    const auto error = encoder_.AppendFields(reader.fields(), LabelUse::kRequired, &batch_);
    return error ? error->reason : "";
  }
  const IdColumn& Ids(std::string_view name) const {
    return batch_.ids[static_cast<std::size_t>(encoder_.schema().FindIds(name))];
  }

  RecordEncoder encoder_;
  Batch batch_;
};

TEST_F(ListsTest, ValuesBecomeIdsWithTheirWeights) {
  EXPECT_EQ(Append("b|a||zebra,2|0.5|7|-1,3,1;2,x,4,5"), "");
  EXPECT_EQ(Append(",,-1,,x,0,6"), "");
  const std::int64_t zebra = 3 + ops::HashBucket("zebra", 2);
  EXPECT_THAT(Ids("tags_weighted_by_weights").ids, ElementsAre(1, 0, -1, zebra));
  EXPECT_THAT(Ids("tags_weighted_by_weights").weights, ElementsAre(2, 0.5f, 7, -1));
  EXPECT_THAT(Ids("tags_weighted_by_weights").offsets, ElementsAre(0, 4, 4));
  EXPECT_THAT(batch_.labels, ElementsAre(5, 6));
  EXPECT_THAT(batch_.weights, ElementsAre(4, 0));
}

TEST_F(ListsTest, IntegersAreIdsAndMinusOneIsNone) {
  EXPECT_EQ(Append("a,1,7,,x,1,5"), "");
  EXPECT_EQ(Append("a,1,,,x,1,5"), "");
  EXPECT_THAT(Ids("user").ids, ElementsAre(7, -1));
  EXPECT_THAT(Ids("user").offsets, IsEmpty());
  EXPECT_THAT(Ids("user_hash").ids, ElementsAre(ops::HashBucket("7", 1000), -1));
}

TEST_F(ListsTest, ShapedNumbersAreNormalizedAndBucketizedApart) {
  EXPECT_EQ(Append("a,1,7,0;2.5,x,1,5"), "");
  EXPECT_EQ(Append("a,1,7,,x,1,5"), "");  // The default, for each of them.
  ASSERT_THAT(batch_.floats, SizeIs(1));
  EXPECT_EQ(batch_.floats[0].dim, 2);
  EXPECT_THAT(batch_.floats[0].values, ElementsAre(-0.5f, 0.75f, 0.25f, 0.25f));
  EXPECT_THAT(Ids("point_bucketized").ids, ElementsAre(0, 3 + 2, 1, 3 + 1));
}

TEST_F(ListsTest, EachValueOfAListIsCrossed) {
  EXPECT_EQ(Append("a|b,1|1,7,,x,1,5"), "");
  EXPECT_EQ(Append(",,7,,x,1,5"), "");
  const auto cross = [](std::string_view tag) {  // Lists come before single strings.
    std::uint64_t hash = ops::FingerprintCat(ops::kDefaultCrossKey, ops::Fingerprint64(tag));
    hash = ops::FingerprintCat(hash, ops::Fingerprint64("x"));
    return static_cast<std::int64_t>(hash % 1000000);
  };
  EXPECT_THAT(Ids("kind_X_tags").ids, ElementsAre(cross("a"), cross("b")));
  EXPECT_THAT(Ids("kind_X_tags").offsets, ElementsAre(0, 2, 2));
}

TEST_F(ListsTest, WrongListsAreExplainedAndLeaveTheBatchAsItWas) {
  EXPECT_THAT(Append("a|b,1,7,,x,1,5"), HasSubstr("has 1 value for 2 values"));
  EXPECT_THAT(Append("a,one,7,,x,1,5"), HasSubstr("'one' is not a number"));
  EXPECT_THAT(Append("a|b,1|,7,,x,1,5"), HasSubstr("'' is not a number"));
  EXPECT_THAT(Append("a,1,10,,x,1,5"), HasSubstr("10 is no id; allowed are 0 to 9"));
  EXPECT_THAT(Append("a,1,7.5,,x,1,5"), HasSubstr("'7.5' is not an integer"));
  EXPECT_THAT(Append("a,1,7,1;2;3,x,1,5"), HasSubstr("has 3 values; 2 are expected"));
  EXPECT_THAT(Append("a,1,7,,x,-1,5"), HasSubstr("-1 is no weight"));
  EXPECT_THAT(Append("a,1,7,,x,,5"), HasSubstr("is missing; a weight is expected"));
  EXPECT_EQ(batch_.num_examples, 0);
  for (const IdColumn& column : batch_.ids) EXPECT_THAT(column.ids, IsEmpty());
}

TEST(VocabularyFileTest, IsReadFromBesideThePageAndKeptWithACopy) {
  const dime::testing::TempDir dir;
  storage::FileSystem& fs = storage::LocalFileSystem();
  ASSERT_OK(fs.WriteAtomically(dir.path() + "/tags.txt",
                               "\xef\xbb\xbf"
                               "a\r\n b \nc\nrest"));
  const std::string page =
      ListsPageWith("{kind: vocabulary_list, vocabulary: [a, b, c], oov_buckets: 2}",
                    "{kind: vocabulary_file, file: tags.txt, size: 3}");
  ASSERT_OK_AND_ASSIGN(const ModelDescription model,
                       ParseDescription(page, dir.path() + "/lists.yaml", ""));
  const auto& column = std::get<VocabularyColumn>(model.FindColumn("tags")->kind);
  EXPECT_THAT(column.vocabulary, ElementsAre("a", "b", "c"));

  const auto files = FormatDescriptionFiles(model, "model.yaml");
  ASSERT_THAT(files, SizeIs(2));
  ASSERT_OK(fs.CreateDirectories(dir.path() + "/copy"));
  for (const auto& [name, content] : files) {
    ASSERT_OK(fs.WriteAtomically(dir.path() + "/copy/" + name, content));
  }
  ASSERT_OK_AND_ASSIGN(const ModelDescription copy,
                       ParseDescription(files[1].content, dir.path() + "/copy/model.yaml", ""));
  EXPECT_THAT(DescribeDifference(model, copy), IsEmpty());

  ASSERT_OK(fs.WriteAtomically(dir.path() + "/copy/" + files[0].name, "a\nb\nd\n"));
  EXPECT_THAT(ParseDescription(files[1].content, dir.path() + "/copy/model.yaml", ""),
              dime::testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("the file has changed")));
}

TEST(VocabularyFileTest, WrongFilesAreNamedWithTheirLine) {
  const dime::testing::TempDir dir;
  const auto parse = [&](const char* content) {
    EXPECT_OK(storage::LocalFileSystem().WriteAtomically(dir.path() + "/tags.txt", content));
    return std::string(base::MessageOf(
        ParseDescription(
            ListsPageWith("{kind: vocabulary_list, vocabulary: [a, b, c], oov_buckets: 2}",
                          "{kind: vocabulary_file, file: tags.txt}"),
            dir.path() + "/lists.yaml", "")
            .status()));
  };
  EXPECT_THAT(parse("a\nb\na\n"), HasSubstr("line 3"));
  EXPECT_THAT(parse("a\n\nb\n"), HasSubstr("line 2"));
  EXPECT_THAT(parse(""), HasSubstr("is empty"));
}

TEST(ListsPageTest, MistakesAreRefusedAndExplained) {
  struct Mistake {
    std::string_view right;
    std::string_view wrong;
    std::string_view message;
  };
  constexpr Mistake kMistakes[] = {
      {"values: any}", "values: some}", "is not a whole number"},
      {"{name: kind, type: string}", "{name: kind, type: string, values: 3}",
       "one value, or `any`"},
      {"value_separator: \";\"", "value_separator: \",\"", "separates the fields already"},
      {"{name: kind, type: string}", "{name: kind, type: string, value_separator: \";\"}",
       "the field has one value"},
      {"type: string, values: any}", "type: string, values: any, default: a}", "has no values"},
      {"field: price, weight_field: importance", "field: price, weight_field: kind",
       "'kind' is no number"},
      {"field: price, weight_field: importance", "field: price, weight_field: price", "itself"},
      {"source: tags, weight_field: weights", "source: tags, weight_field: importance",
       "does not have as many values"},
      {"{kind: identity, buckets: 10}", "{kind: identity, buckets: 10, default_id: 10}",
       "'10' is not a whole number from 0 to 9"},
      {"{kind: identity, buckets: 10}", "{kind: identity, field: kind, buckets: 10}",
       "a column of kind identity takes an integer"},
      {"min: 1, max: 3", "min: 1, max: 1", "a number above min"},
      {"{kind: min_max, min: 1, max: 3}", "{kind: z_score, mean: 0, stddev: 0}", "above 0"},
      {"{kind: min_max, min: 1, max: 3}", "{kind: logg}", "did you mean 'log'"},
      {"keys: [kind, tags]", "keys: [kind, {column: tags_weighted_by_weights}]",
       "name its source: tags"},
      {"  point: {kind: numeric", "  point: {kind: numeric, field: weights", "a fixed number"},
  };
  for (const Mistake& mistake : kMistakes) {
    EXPECT_THAT(ParseDescription(ListsPageWith(mistake.right, mistake.wrong), "lists.yaml", ""),
                dime::testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr(std::string(mistake.message))))
        << mistake.wrong;
  }
}

TEST(ListsPageTest, WritingAndReadingGivesAnEqualDescription) {
  ASSERT_OK_AND_ASSIGN(const ModelDescription model,
                       ParseDescription(kListsPage, "lists.yaml", ""));
  const std::string once = FormatDescription(model);
  ASSERT_OK_AND_ASSIGN(const ModelDescription again, ParseDescription(once, "lists.yaml", ""));
  EXPECT_EQ(FormatDescription(again), once);
}

}  // namespace
}  // namespace dime::models
