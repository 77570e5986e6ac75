#include "models/description.h"

#include <gmock/gmock.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/internal/feature_columns.h"
#include "tests/models/read_file.h"
#include "tests/support/status_matchers.h"

namespace dime::models {
namespace {

using ::dime::testing::ReadFile;
using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// Every kind of column, two variants. Tests change a piece of it.
constexpr std::string_view kPage = R"(input:
  separator: ";"
  header_lines: 2
  trim_blanks: true
  fields:
    - {name: age, type: integer, default: 7}
    - {name: height, type: float, default: 1.5}
    - {name: city, type: string, default: "?"}
    - {name: job, type: string}
    - {name: answer, type: string}
label: {field: answer, vocabulary: ["no", "yes"]}
columns:
  age: {kind: numeric}
  tall: {kind: numeric, field: height}
  city: {kind: vocabulary_list, vocabulary: [Rome, " Oslo", "\"quoted\"\t"]}
  job: {kind: hash_bucket, buckets: 100}
  age_bucketized: {kind: bucketized, source: age, boundaries: [-1, 0.5, 18]}
  age_bucketized_X_city_X_job: {kind: crossed, keys: [job, {column: city}, {column: age_bucketized}], buckets: 1000}
  city_X_job: {kind: crossed, keys: [city, job], buckets: 10, hash_key: 18446744073709551615}
  city_indicator: {kind: indicator, source: city}
  job_embedding: {kind: embedding, source: job, dimension: 3, combiner: sqrtn}
estimator:
  kind: DNNLinearCombinedClassifier
  linear_columns: [city, age_bucketized_X_city_X_job, city_X_job]
  dnn_columns: [tall, city_indicator, job_embedding]
  hidden_units: [8, 4]
  linear_optimizer: {kind: ftrl, learning_rate: 0.2, l1: 0.1, l2: 0.5, learning_rate_power: -0.25}
training:
  train_steps: 10
  export_name: towns
variants:
  first:
    estimator:
      dnn_optimizer: {kind: adagrad, learning_rate: 0.05, initial_accumulator: 0.3}
  second:
    estimator:
      loss_reduction: sum
      dnn_optimizer: {kind: sgd, learning_rate: 0.001}
    training: {train_steps: 20}
)";

std::string Replaced(std::string_view from, std::string_view to) {
  std::string page(kPage);
  const std::size_t at = page.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? page : page.replace(at, from.size(), to);
}

absl::StatusOr<ModelDescription> Parse(std::string_view page, const std::string& variant = "") {
  return ParseDescription(page, "towns.yaml", variant);
}

TEST(DescriptionTest, ReadsEveryPart) {
  ASSERT_OK_AND_ASSIGN(const ModelDescription model, Parse(kPage));
  EXPECT_EQ(model.name, "first");
  EXPECT_EQ(model.input.separator, ';');
  EXPECT_EQ(model.input.header_lines, 2);
  EXPECT_TRUE(model.input.trim_blanks);
  ASSERT_EQ(model.input.fields.size(), 5u);
  EXPECT_EQ(model.input.fields[1].name, "height");
  EXPECT_EQ(model.input.fields[1].type, FieldType::kFloat);
  EXPECT_EQ(model.input.fields[1].default_value, "1.5");
  EXPECT_EQ(model.input.fields[2].default_value, "?");
  EXPECT_EQ(model.input.fields[3].default_value, "");
  EXPECT_THAT(model.label.vocabulary, ElementsAre("no", "yes"));

  EXPECT_EQ(std::get<NumericColumn>(model.FindColumn("tall")->kind).field, "height");
  EXPECT_THAT(std::get<VocabularyColumn>(model.FindColumn("city")->kind).vocabulary,
              ElementsAre("Rome", " Oslo", "\"quoted\"\t"));
  EXPECT_EQ(std::get<HashBucketColumn>(model.FindColumn("job")->kind).num_buckets, 100);
  EXPECT_THAT(std::get<BucketizedColumn>(model.FindColumn("age_bucketized")->kind).boundaries,
              ElementsAre(-1, 0.5f, 18));
  const auto& cross =
      std::get<CrossedColumn>(model.FindColumn("age_bucketized_X_city_X_job")->kind);
  ASSERT_EQ(cross.keys.size(), 3u);
  EXPECT_FALSE(cross.keys[0].is_column);
  EXPECT_TRUE(cross.keys[1].is_column);
  EXPECT_EQ(cross.hash_key, ops::kDefaultCrossKey);
  EXPECT_EQ(std::get<CrossedColumn>(model.FindColumn("city_X_job")->kind).hash_key, ~0ull);
  const auto& embedding = std::get<EmbeddingColumn>(model.FindColumn("job_embedding")->kind);
  EXPECT_EQ(embedding.dim, 3);
  EXPECT_EQ(embedding.combiner, ops::Combiner::kSqrtn);

  EXPECT_THAT(model.estimator.hidden_units, ElementsAre(8, 4));
  EXPECT_EQ(model.estimator.loss_reduction, LossReduction::kMean);
  EXPECT_EQ(model.estimator.linear_optimizer, (ops::OptimizerSpec{.kind = ops::OptimizerKind::kFtrl,
                                                                  .learning_rate = 0.2f,
                                                                  .initial_accumulator = 0.1f,
                                                                  .learning_rate_power = -0.25f,
                                                                  .l1 = 0.1f,
                                                                  .l2 = 0.5f}));
  EXPECT_EQ(model.estimator.dnn_optimizer.initial_accumulator, 0.3f);
  EXPECT_EQ(model.training.train_steps, 10);
  EXPECT_EQ(model.training.train_batch_size, 40);
  EXPECT_EQ(model.training.export_name, "towns");
}

TEST(DescriptionTest, AVariantReplacesKeysOfEstimatorAndTraining) {
  ASSERT_OK_AND_ASSIGN(const ModelDescription model, Parse(kPage, "second"));
  EXPECT_EQ(model.name, "second");
  EXPECT_EQ(model.estimator.loss_reduction, LossReduction::kSum);
  EXPECT_EQ(model.estimator.dnn_optimizer.kind, ops::OptimizerKind::kSgd);
  EXPECT_EQ(model.estimator.linear_optimizer.kind, ops::OptimizerKind::kFtrl);
  EXPECT_EQ(model.training.train_steps, 20);
  EXPECT_EQ(model.training.export_name, "towns");
  EXPECT_THAT(*VariantNames(kPage, "towns.yaml"), ElementsAre("first", "second"));
  EXPECT_THAT(VariantNames("{", "towns.yaml"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("towns.yaml")));
}

TEST(DescriptionTest, AnUnknownVariantNamesTheNearest) {
  EXPECT_THAT(Parse(kPage, "secnd"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("towns.yaml:"), HasSubstr("'secnd'"),
                             HasSubstr("did you mean 'second'?"), HasSubstr("first, second"))));
}

TEST(DescriptionTest, AMistakeInAVariantThatWasNotAskedForIsFound) {
  EXPECT_THAT(Parse(Replaced("learning_rate: 0.001", "learning_rate: -1"), "first"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StartsWith("towns.yaml:38: variants.second.estimator.dnn_optimizer."
                                  "learning_rate: is -1; allowed is a number above 0")));
}

TEST(DescriptionTest, WithoutVariantsTheFileNamesTheModel) {
  std::string page =
      Replaced("  hidden_units",
               "  dnn_optimizer: {kind: adagrad, learning_rate: 0.05, initial_accumulator: 0.3}\n"
               "  hidden_units");
  page.resize(page.find("variants:"));
  ASSERT_OK_AND_ASSIGN(const ModelDescription model, ParseDescription(page, "a/towns.yaml", ""));
  EXPECT_EQ(model.name, "towns");
  EXPECT_OK(ParseDescription(page, "a/towns.yaml", "towns"));
  ASSERT_OK_AND_ASSIGN(const ModelDescription unnamed, ParseDescription(page, "a/b c.yaml", ""));
  EXPECT_EQ(unnamed.name, "model");
}

TEST(DescriptionTest, WritingAndReadingGivesAnEqualDescription) {
  for (const char* variant : {"first", "second"}) {
    ASSERT_OK_AND_ASSIGN(const ModelDescription model, Parse(kPage, variant));
    const std::string once = FormatDescription(model);
    ASSERT_OK_AND_ASSIGN(const ModelDescription again, ParseDescription(once, "again.yaml", ""));
    EXPECT_EQ(FormatDescription(again), once);
    EXPECT_EQ(again.name, variant);
    EXPECT_EQ(again.estimator.dnn_optimizer, model.estimator.dnn_optimizer);
    EXPECT_EQ(again.estimator.linear_optimizer, model.estimator.linear_optimizer);
    EXPECT_EQ(again.training.train_steps, model.training.train_steps);
    EXPECT_THAT(DescribeDifference(model, again), IsEmpty());
    EXPECT_EQ(std::get<VocabularyColumn>(again.FindColumn("city")->kind).vocabulary,
              std::get<VocabularyColumn>(model.FindColumn("city")->kind).vocabulary);
  }
}

TEST(DescriptionTest, AnUnboundedColumnIsReadAndWritten) {
  ASSERT_OK_AND_ASSIGN(
      const ModelDescription model,
      Parse(Replaced("hash_bucket, buckets: 100}",
                     "hash_bucket, unbounded: {admit_after: 3, evict_after_steps: 1000, "
                     "max_bytes: 1GiB}}")));
  const ops::UnboundedRows expected = {
      .admit_after = 3, .evict_after_steps = 1000, .max_bytes = std::int64_t{1} << 30};
  EXPECT_EQ(std::get<HashBucketColumn>(model.FindColumn("job")->kind).unbounded, expected);
  ASSERT_OK_AND_ASSIGN(const ModelDescription again, Parse(FormatDescription(model)));
  EXPECT_EQ(std::get<HashBucketColumn>(again.FindColumn("job")->kind).unbounded, expected);
  EXPECT_THAT(DescribeDifference(model, again), IsEmpty());
}

TEST(DescriptionTest, AnUnboundedCrossIsReadAndWritten) {
  ASSERT_OK_AND_ASSIGN(
      const ModelDescription model,
      Parse(Replaced("buckets: 1000}", "unbounded: {admit_after: 2, max_bytes: 64MiB}}")));
  const auto unbounded_of = [](const ModelDescription& description) {
    return std::get<CrossedColumn>(description.FindColumn("age_bucketized_X_city_X_job")->kind)
        .unbounded;
  };
  const ops::UnboundedRows expected = {.admit_after = 2, .max_bytes = std::int64_t{64} << 20};
  EXPECT_EQ(unbounded_of(model), expected);
  ASSERT_OK_AND_ASSIGN(const ModelDescription again, Parse(FormatDescription(model)));
  EXPECT_EQ(unbounded_of(again), expected);
  EXPECT_THAT(DescribeDifference(model, again), IsEmpty());
  ASSERT_OK_AND_ASSIGN(const ModelDescription bounded, Parse(kPage));
  EXPECT_THAT(DescribeDifference(model, bounded), Not(IsEmpty()));
}

TEST(DescriptionTest, EveryOptimizerAndDecayIsReadAndWritten) {
  using ops::DecayKind;
  using ops::OptimizerKind;
  using ops::OptimizerSpec;
  struct Case {
    std::string_view text;
    OptimizerSpec spec;
  };
  const Case cases[] = {
      {"{kind: momentum, learning_rate: 0.5}",
       {.kind = OptimizerKind::kMomentum, .learning_rate = 0.5f, .momentum = 0.9f}},
      {"{kind: momentum, learning_rate: 0.5, momentum: 0, nesterov: true}",
       {.kind = OptimizerKind::kMomentum, .learning_rate = 0.5f, .nesterov = true}},
      {"{kind: adam, learning_rate: 0.5, beta1: 0.8, beta2: 0.95, epsilon: 1}",
       {.kind = OptimizerKind::kAdam,
        .learning_rate = 0.5f,
        .beta1 = 0.8f,
        .beta2 = 0.95f,
        .epsilon = 1}},
      {"{kind: rmsprop, learning_rate: 0.5, rho: 0.25, momentum: 0.75}",
       {.kind = OptimizerKind::kRmsProp,
        .learning_rate = 0.5f,
        .momentum = 0.75f,
        .rho = 0.25f,
        .epsilon = 1e-10f}},
      {"{kind: ftrl, learning_rate: 0.5, l2_shrinkage: 0.25}",
       {.kind = OptimizerKind::kFtrl, .learning_rate = 0.5f, .l2_shrinkage = 0.25f}},
      {"{kind: proximal_sgd, learning_rate: 0.5, l1: 0.25, l2: 2}",
       {.kind = OptimizerKind::kProximalSgd, .learning_rate = 0.5f, .l1 = 0.25f, .l2 = 2}},
      {"{kind: proximal_adagrad, learning_rate: 0.5, initial_accumulator: 1, l1: 0.25}",
       {.kind = OptimizerKind::kProximalAdagrad,
        .learning_rate = 0.5f,
        .initial_accumulator = 1,
        .l1 = 0.25f}},
      {"{kind: sgd, learning_rate: 1, decay: {kind: inverse_time, steps: 8, rate: 0.5}}",
       {.kind = OptimizerKind::kSgd,
        .learning_rate = 1,
        .decay = {.kind = DecayKind::kInverseTime, .decay_steps = 8, .decay_rate = 0.5f}}},
      {"{kind: sgd, learning_rate: 1, decay: {kind: exponential, steps: 8, rate: 2, staircase: "
       "true}}",
       {.kind = OptimizerKind::kSgd,
        .learning_rate = 1,
        .decay = {.kind = DecayKind::kExponential,
                  .decay_steps = 8,
                  .decay_rate = 2,
                  .staircase = true}}},
      {"{kind: sgd, learning_rate: 1, decay: {kind: polynomial, steps: 8, end_rate: 0, power: 2}}",
       {.kind = OptimizerKind::kSgd,
        .learning_rate = 1,
        .decay = {.kind = DecayKind::kPolynomial, .decay_steps = 8, .end_rate = 0, .power = 2}}},
      {"{kind: sgd, learning_rate: 1, decay: {kind: cosine, steps: 8, alpha: 0.125}}",
       {.kind = OptimizerKind::kSgd,
        .learning_rate = 1,
        .decay = {.kind = DecayKind::kCosine, .decay_steps = 8, .alpha = 0.125f}}},
  };
  for (const Case& one : cases) {
    const std::string page = Replaced("{kind: sgd, learning_rate: 0.001}", one.text);
    ASSERT_OK_AND_ASSIGN(const ModelDescription model, Parse(page, "second"));
    EXPECT_EQ(model.estimator.dnn_optimizer, one.spec) << one.text;
    ASSERT_OK_AND_ASSIGN(const ModelDescription again,
                         ParseDescription(FormatDescription(model), "again.yaml", ""));
    EXPECT_EQ(again.estimator.dnn_optimizer, one.spec) << one.text;
  }
}

TEST(DescriptionTest, TheCensusPageIsGoodAndWritesItself) {
  const std::string page = ReadFile(DIME_CENSUS_YAML);
  EXPECT_THAT(*VariantNames(page, DIME_CENSUS_YAML), ElementsAre("census", "census-v1"));
  ASSERT_OK_AND_ASSIGN(const ModelDescription census, ParseDescription(page, "census.yaml", ""));
  EXPECT_EQ(census.name, "census");
  EXPECT_EQ(census.estimator.loss_reduction, LossReduction::kMean);
  EXPECT_EQ(census.estimator.dnn_optimizer.learning_rate, 0.05f);
  EXPECT_EQ(census.estimator.linear_optimizer.learning_rate, 0.2f);
  EXPECT_THAT(census.estimator.hidden_units, ElementsAre(100, 70, 48, 34));
  EXPECT_EQ(census.estimator.linear_columns.size(), 11u);
  std::int64_t width = 0;
  for (const std::string& name : census.estimator.dnn_columns) {
    width += internal::DenseWidth(census, *census.FindColumn(name));
  }
  EXPECT_EQ(width, 66);
  const std::string once = FormatDescription(census);
  ASSERT_OK_AND_ASSIGN(const ModelDescription again, ParseDescription(once, "model.yaml", ""));
  EXPECT_EQ(FormatDescription(again), once);

  ASSERT_OK_AND_ASSIGN(const ModelDescription v1,
                       ParseDescription(page, "census.yaml", "census-v1"));
  EXPECT_EQ(v1.estimator.loss_reduction, LossReduction::kSum);
  EXPECT_EQ(v1.estimator.dnn_optimizer.learning_rate, 0.001f);
  EXPECT_EQ(v1.estimator.linear_optimizer.learning_rate, 0.005f);
  EXPECT_THAT(DescribeDifference(census, v1),
              ElementsAre("estimator.loss_reduction: mean here, sum there"));
}

struct Mistake {
  std::string_view right;
  std::string_view wrong;
  std::string_view message;  // A part of it.
};
void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.wrong; }

class DescriptionMistakeTest : public ::testing::TestWithParam<Mistake> {};

TEST_P(DescriptionMistakeTest, IsRefusedAndExplained) {
  const Mistake& mistake = GetParam();
  EXPECT_THAT(Parse(Replaced(mistake.right, mistake.wrong)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith("towns.yaml:"), HasSubstr(std::string(mistake.message)))));
}

constexpr Mistake kStructureMistakes[] = {
    {"estimator:\n", "estimater:\n",
     "22: estimater: is no key of this mapping; allowed are input, label"},
    {"estimator:\n", "estimater:\n", "; did you mean 'estimator'?"},
    {"columns:\n", "columns: []\nx:\n", "is no key of this mapping"},
    {"hidden_units: [8, 4]", "hidden_unit: [8, 4]", "did you mean 'hidden_units'?"},
    {"combiner:", "combinr:", "did you mean 'combiner'?"},
    {"default: 7", "defualt: 7", "did you mean 'default'?"},
    {"    training: {train_steps: 20}", "    trainig: {train_steps: 20}", "'training'"},
    {"    training: {train_steps: 20}", "    training: 20", "variants.second.training"},
    {"training:\n  train_steps: 10", "training:\n  train_step: 10", "did you mean 'train_steps'?"},
    {"variants:\n", "variants: {}\nx:\n", "x: is no key"},
    {"  first:\n", "  \"a/b\":\n", "'a/b' is no name"},
    {"  first:\n", "  second:\n", "is given twice"},
    {"  age: {kind: numeric}", "  age: numeric", "columns.age: a mapping with the key 'kind'"},
    {"  age: {kind: numeric}", "  \"a b\": {kind: numeric}", "'a b' is no name"},
    {"  age: {kind: numeric}", "  age: {kind: numerical}", "did you mean 'numeric'?"},
    {"  kind: DNNLinearCombinedClassifier", "  kind: DNNClassifer",
     "did you mean 'DNNClassifier'?"},
    {"  kind: DNNLinearCombinedClassifier", "  kind: DNNClassifier",
     "linear_columns: is no key of this mapping"},
    {"  kind: DNNLinearCombinedClassifier", "  kind: DNNLinearCombinedRegressor",
     "a regressor predicts a number, but the label 'answer' has 2 classes"},
    {"label: {field: answer, vocabulary", "label: {field: answer, values", "label.values"},
};
INSTANTIATE_TEST_SUITE_P(Structure, DescriptionMistakeTest,
                         ::testing::ValuesIn(kStructureMistakes));

std::string WithInput(std::string_view lines) {
  std::string page(kPage);
  return page.insert(page.find("input:\n") + 7, lines);
}

TEST(DescriptionTest, ReadsHowRecordsAreWritten) {
  ASSERT_OK_AND_ASSIGN(const ModelDescription plain, Parse(kPage));
  EXPECT_EQ(plain.input.file_format, FileFormat::kDetected);
  EXPECT_EQ(plain.input.quoting, Quoting::kRfc4180);
  EXPECT_THAT(plain.input.missing_values, IsEmpty());
  EXPECT_THAT(FormatDescription(plain), Not(HasSubstr("quoting")));
  ASSERT_OK_AND_ASSIGN(const ModelDescription model,
                       Parse(WithInput("  format: tfrecord\n  quoting: none\n"
                                       "  missing_values: [NA, \"\\\\N\", \"\", NA]\n")));
  EXPECT_EQ(model.input.file_format, FileFormat::kTfRecord);
  EXPECT_EQ(model.input.quoting, Quoting::kNone);
  EXPECT_THAT(model.input.missing_values, ElementsAre("NA", "\\N"));
  ASSERT_OK_AND_ASSIGN(const ModelDescription again, Parse(FormatDescription(model)));
  EXPECT_EQ(FormatDescription(again), FormatDescription(model));
  // Records are the same in whatever file they lie, but not with another quoting.
  EXPECT_THAT(DescribeDifference(plain, model),
              ElementsAre(HasSubstr("input.quoting"), HasSubstr("input.missing_values")));
}

TEST(DescriptionTest, MistakesInHowRecordsAreWrittenAreNamed) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"  format: json\n", "there are detected, csv, tfrecord"},
      {"  quoting: single\n", "there are rfc4180, none"},
      {"  missing_values: NA\n", "input.missing_values"},
      {"  missing_values: [[NA]]\n", "input.missing_values"},
  };
  for (const auto& [line, message] : mistakes) {
    EXPECT_THAT(Parse(WithInput(line)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
}

constexpr Mistake kInputMistakes[] = {
    {"separator: \";\"", "separator: \"\"", "'' is no separator"},
    {"separator: \";\"", "separator: \"ab\"", "'ab' is no separator"},
    {"separator: \";\"", "separator: \"\\n\"", "'\\x0a' is no separator"},
    {"separator: \";\"", "separator: '\"'", "is no separator"},
    {"separator: \";\"", "separator: \".\"", "is no separator"},
    {"header_lines: 2", "header_lines: -1", "'-1' is not a whole number from 0 to 1000"},
    {"header_lines: 2", "header_lines: 2.0", "'2.0' is not a whole number"},
    {"trim_blanks: true", "trim_blanks: yes", "there is no choice 'yes'"},
    {"type: integer, default: 7", "type: int, default: 7",
     "there is no choice 'int'; there are integer, float, string"},
    {"default: 7", "default: 7.5",
     "towns.yaml:6: input.fields[0].default: '7.5' is not an integer"},
    {"default: 7", "default: 2147483648", "is not an integer"},
    {"default: 1.5", "default: nan", "'nan' is not a finite number"},
    {"default: 1.5", "default: 1e99", "'1e99' is not a finite number"},
    {"default: 1.5", "default: \"\"", "'' is not a finite number"},
    {"default: 1.5", "default: ", "is nothing; a text is expected"},
    {"name: height", "name: age", "there is a field 'age' already"},
    {"name: height", "name: \"\"", "'' is no name"},
    {"field: answer", "field: anser", "did you mean 'answer'?"},
    {"field: answer", "field: age", "'age' is a number; a label"},
    {"[\"no\", \"yes\"]", "[\"no\", \" no\"]", "'no' is there already"},
    {"[\"no\", \"yes\"]", "[\"no\"]", "has 1 class; two or more are expected"},
    {"[\"no\", \"yes\"]", "[\"no\", \"yes\"], num_classes: 2", "says already how many"},
    {", vocabulary: [\"no\", \"yes\"]", "", "the key 'vocabulary' has to list its classes"},
    {"{field: answer, vocabulary: [\"no\", \"yes\"]}", "{field: height, num_classes: 3}",
     "'height' is no integer"},
    {"{field: answer, vocabulary: [\"no\", \"yes\"]}", "{field: age, num_classes: 1}",
     "'1' is not a whole number from 2"},
};
INSTANTIATE_TEST_SUITE_P(Input, DescriptionMistakeTest, ::testing::ValuesIn(kInputMistakes));

constexpr Mistake kColumnsMistakes[] = {
    {"field: height", "field: hight",
     "columns.tall.field: there is no field 'hight'; there are age, height"},
    {"field: height", "field: hight", "; did you mean 'height'?"},
    {"field: height", "field: city",
     "the field 'city' is a string; a column of kind numeric takes"},
    {"field: height", "field: answer", "'answer' is the label"},
    {"  job: {kind: hash_bucket", "  job: {kind: hash_bucket, field: answer", "is the label"},
    {"  job: {kind: hash_bucket", "  job: {kind: hash_bucket, field: height",
     "'height' is a float"},
    {"kind: vocabulary_list", "kind: vocabulary_list, field: age", "'age' is an integer"},
    {"buckets: 100}", "buckets: 0}", "'0' is not a whole number from 1 to 9007199254740992"},
    {"buckets: 100}", "buckets: 9007199254740993}", "is not a whole number from 1"},
    {"buckets: 100}", "}", "columns.job: the key 'buckets' is missing"},
    {"buckets: 100}", "buckets: 100, unbounded: {max_bytes: 1GiB}}", "stands beside 'buckets'"},
    {"buckets: 100}", "unbounded: 1GiB}", "columns.job.unbounded"},
    {"buckets: 100}", "unbounded: {admit_after: 2}}", "the key 'max_bytes' is missing"},
    {"buckets: 100}", "unbounded: {max_bytes: 1GB}}", "is '1GB'; a size from 1MiB to 128GiB"},
    {"buckets: 100}", "unbounded: {max_bytes: 1000}}", "a size from 1MiB"},
    {"buckets: 100}", "unbounded: {max_bytes: 129GiB}}", "a size from 1MiB"},
    {"buckets: 100}", "unbounded: {max_bytes: 99999999999999999999GiB}}", "a size from 1MiB"},
    {"buckets: 100}", "unbounded: {admit_after: 0, max_bytes: 1GiB}}", "from 1 to 10000"},
    {"buckets: 100}", "unbounded: {evict_after: 7, max_bytes: 1GiB}}",
     "job.unbounded.evict_after: is no key"},
    {"[Rome, \" Oslo\"", "[Rome, \" Rome\"", "city.vocabulary[1]: 'Rome' is there already"},
    {"[Rome, \" Oslo\"", "[Rome, \" \"", "is blank"},
    {"[Rome, \" Oslo\"", "[Rome, null", "is nothing; a text is expected"},
    {"[Rome, \" Oslo\", \"\\\"quoted\\\"\\t\"]", "[]", "is empty; one or more"},
    {"[-1, 0.5, 18]", "[-1, 18, 18]", "boundaries[2]: 18 is not greater than"},
    {"[-1, 0.5, 18]", "[-1, 18, 18.0000001]", "is not greater than"},
    {"[-1, 0.5, 18]", "[3, 2]", "2 is not greater than the boundary before it, 3"},
    {"[-1, 0.5, 18]", "[1, inf]", "'inf' is not a finite number"},
    {"[-1, 0.5, 18]", "[nan]", "'nan' is not a finite number"},
    {"[-1, 0.5, 18]", "[]", "a list of one or more ascending numbers"},
    {"[-1, 0.5, 18]", "18", "a list of one or more ascending numbers"},
    {"source: age,", "source: agee,", "did you mean 'age'?"},
    {"source: age,", "source: city,", "'city' is a column of kind vocabulary_list; a numeric one"},
    {"  age_bucketized: {kind: b", "  age_buckets: {kind: b", "must be named 'age_bucketized'"},
    {"source: city}", "source: age}", "'age' is a column of kind numeric; a categorical one"},
    {"  city_indicator: {", "  city_one_hot: {", "must be named 'city_indicator'"},
    {"  job_embedding: {", "  job_vector: {", "must be named 'job_embedding'"},
    {"dimension: 3", "dimension: 0", "'0' is not a whole number from 1 to 1048576"},
    {"dimension: 3", "dimension: 1048577", "is not a whole number"},
    {"combiner: sqrtn", "combiner: sqrt", "did you mean 'sqrtn'?"},
    {"keys: [city, job]", "keys: [city]", "a list of two or more is expected"},
    {"keys: [city, job]", "keys: [city, {column: city}]", "'city' is crossed with itself"},
    {"keys: [city, job]", "keys: [city, {column: job}]",
     "'job' is a hash_bucket column, whose ids would be hashed twice; name its field: job"},
    {"keys: [city, job]", "keys: [city, {colum: job}]", "did you mean 'column'?"},
    {"keys: [city, job]", "keys: [city, age_bucketized]", "write {column: age_bucketized}"},
    {"keys: [city, job]", "keys: [city, height]", "'height' is a float"},
    {"keys: [city, job]", "keys: [city, answer]", "is the label"},
    {"keys: [city, job]", "keys: [city, {column: city_indicator}]", "kind indicator"},
    {"keys: [city, job]", "keys: [city, {column: age_bucketized_X_city_X_job}]", "itself crossed"},
    {"  age_bucketized_X_city_X_job: {", "  job_X_city: {",
     "must be named 'age_bucketized_X_city_X_job'"},
    {"hash_key: 18446744073709551615", "hash_key: -1", "is not a whole number from 0 to 2^64 - 1"},
};
INSTANTIATE_TEST_SUITE_P(Columns, DescriptionMistakeTest, ::testing::ValuesIn(kColumnsMistakes));

constexpr Mistake kEstimatorMistakes[] = {
    {"[city, age_bucketized_X", "[ciy, age_bucketized_X", "linear_columns[0]: there is no column"},
    {"[city, age_bucketized_X", "[city_indicator, age_bucketized_X",
     "'city_indicator' is a column of kind indicator; categorical and numeric columns"},
    {"[city, age_bucketized_X", "[city_X_job, age_bucketized_X", "'city_X_job' is listed twice"},
    {"dnn_columns: [tall", "dnn_columns: [city", "dense columns"},
    {"dnn_columns: [tall, city_indicator, job_embedding]", "dnn_columns: []",
     "estimator.dnn_columns: is empty; dense columns"},
    {"hidden_units: [8, 4]", "hidden_units: []", "a list of one or more layer sizes"},
    {"hidden_units: [8, 4]", "hidden_units: 8", "a list of one or more layer sizes"},
    {"hidden_units: [8, 4]", "hidden_units: [8, 0]", "'0' is not a whole number from 1"},
    {"hidden_units: [8, 4]", "hidden_units: [1048576, 1048576]",
     "hidden layer 2 has 1048576 x 1048576 weights"},
    {"dnn_optimizer: {kind: adagrad", "dnn_optimizer: {kind: adagard", "did you mean 'adagrad'?"},
    {"dnn_optimizer: {kind: adagrad", "dnn_optimizer: {knd: adagrad", "an optimizer is expected"},
    {"{kind: sgd, learning_rate: 0.001}", "{kind: sgd}", "the key 'learning_rate' is missing"},
    {"{kind: sgd, learning_rate", "{kind: sgd, l1: 1, learning_rate", "'l1'"},
    {"{kind: sgd, learning_rate: 0.001}", "{kind: sgd, learning_rate: 0}", "a number above 0"},
    {"{kind: sgd, learning_rate: 0.001}", "{kind: adam, learning_rate: 1, beta1: 1}",
     "dnn_optimizer.beta1: is 1; allowed is a number from 0 to below 1"},
    {"{kind: sgd, learning_rate: 0.001}", "{kind: momentum, learning_rate: 1, nestrov: true}",
     "did you mean 'nesterov'?"},
    {"{kind: sgd, learning_rate: 0.001}", "{kind: momentum, learning_rate: 1, nesterov: 1}",
     "there are true, false"},
    {"{kind: sgd, learning_rate: 0.001}", "{kind: sgd, learning_rate: 1, decay: 0.5}",
     "dnn_optimizer.decay: a decay is expected"},
    {"{kind: sgd, learning_rate: 0.001}", "{kind: sgd, learning_rate: 1, decay: {kind: cosine}}",
     "the key 'steps' is missing"},
    {"{kind: sgd, learning_rate: 0.001}",
     "{kind: sgd, learning_rate: 1, decay: {kind: cosine, steps: 0}}",
     "dnn_optimizer.decay.steps: '0' is not a whole number from 1"},
    {"{kind: sgd, learning_rate: 0.001}",
     "{kind: sgd, learning_rate: 1, decay: {kind: cosine, steps: 1, alpha: 2}}",
     "is 2; allowed is a number from 0 to 1"},
    {"{kind: sgd, learning_rate: 0.001}", "{kind: sgd, learning_rate: inf}", "not a finite"},
    {"learning_rate_power: -0.25", "learning_rate_power: 0.5", "0 or a number below"},
    {"l1: 0.1", "l1: -0.1", "is -0.1; allowed is 0 or a number above"},
    {"initial_accumulator: 0.3", "initial_accumulator: 0", "a number above 0"},
    {"loss_reduction: sum", "loss_reduction: max", "there are mean, sum"},
    {"  linear_optimizer: {kind: ftrl, learning_rate: 0.2, l1: 0.1, l2: 0.5, "
     "learning_rate_power: -0.25}\n",
     "", "the key 'linear_optimizer' is missing"},
    {"train_steps: 10", "train_steps: 0", "training.train_steps: '0' is not a whole number"},
    {"export_name: towns", "export_name: ../towns", "'../towns' is no name"},
    {"export_name: towns", "export_name: \"..\"", "'..' is no name"},
};
INSTANTIATE_TEST_SUITE_P(Estimator, DescriptionMistakeTest,
                         ::testing::ValuesIn(kEstimatorMistakes));

TEST(DescriptionTest, WhatUnboundedColumnsDoNotGoWithIsSaid) {
  std::string page = Replaced("buckets: 100}", "unbounded: {max_bytes: 1GiB}}");
  EXPECT_OK(Parse(page));
  std::string with_adam = page;
  with_adam.replace(page.find("{kind: sgd"), 10, "{kind: adam");
  EXPECT_THAT(Parse(with_adam, "second"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("dnn_optimizer: adam moves every row"),
                             HasSubstr("'job_embedding' has no bound"))));
  std::string with_indicator = page;
  with_indicator.replace(page.find("  city_indicator: {kind: indicator, source: city}"), 49,
                         "  job_indicator: {kind: indicator, source: job}");
  EXPECT_THAT(Parse(with_indicator),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("columns.job_indicator.source: 'job' has no bound on its ids")));
}

TEST(DescriptionTest, AWidthThatOnlyManyColumnsReachIsRefused) {
  const std::string page = Replaced("source: city}", "source: job}");
  EXPECT_THAT(Parse(page), StatusIs(absl::StatusCode::kInvalidArgument,
                                    HasSubstr("must be named 'job_indicator'")));
  std::string wide = Replaced("  job: {kind: hash_bucket, buckets: 100}",
                              "  job: {kind: hash_bucket, buckets: 9007199254740992}\n"
                              "  job_indicator: {kind: indicator, source: job}");
  wide.replace(wide.find("[tall, city_indicator, job_embedding]"), 37, "[tall, job_indicator]");
  wide.replace(wide.find("dimension: 3"), 12, "dimension: 1");
  EXPECT_THAT(Parse(wide),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("make an input of 9007199254740993 numbers; at most 1048576")));
}

TEST(ApplyOverridesTest, SetsEmbeddingsAndLayers) {
  ASSERT_OK_AND_ASSIGN(ModelDescription model, Parse(kPage));
  EXPECT_OK(ApplyOverrides({}, &model));
  EXPECT_THAT(model.estimator.hidden_units, ElementsAre(8, 4));
  EXPECT_OK(ApplyOverrides({.embedding_dim = 5, .hidden_units = {6}}, &model));
  EXPECT_THAT(model.estimator.hidden_units, ElementsAre(6));
  EXPECT_EQ(std::get<EmbeddingColumn>(model.FindColumn("job_embedding")->kind).dim, 5);
}

TEST(ApplyOverridesTest, ARefusedOverrideChangesNothing) {
  ASSERT_OK_AND_ASSIGN(ModelDescription model, Parse(kPage));
  const std::string before = FormatDescription(model);
  for (const DescriptionOverrides& overrides :
       {DescriptionOverrides{.embedding_dim = -1, .hidden_units = {}},
        DescriptionOverrides{.embedding_dim = 1 << 21, .hidden_units = {}},
        DescriptionOverrides{.embedding_dim = 9, .hidden_units = {0}},
        DescriptionOverrides{.embedding_dim = 9, .hidden_units = {1 << 20, 1 << 20}},
        DescriptionOverrides{.embedding_dim = 9, .hidden_units = {std::int64_t{1} << 62}},
        DescriptionOverrides{.embedding_dim = 9, .hidden_units = std::vector<std::int64_t>(65)}}) {
    EXPECT_THAT(ApplyOverrides(overrides, &model),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")));
    EXPECT_EQ(FormatDescription(model), before);
  }
}

TEST(DescribeDifferenceTest, RatesAndTrainingAreNoDifference) {
  ASSERT_OK_AND_ASSIGN(const ModelDescription here, Parse(kPage));
  ModelDescription there = here;
  there.name = "other";
  there.estimator.dnn_optimizer.learning_rate = 1;
  there.estimator.linear_optimizer.learning_rate = 2;
  there.training.train_steps = 77;
  EXPECT_THAT(DescribeDifference(here, there), IsEmpty());
}

TEST(DescribeDifferenceTest, NamesEachKeyWithBothValues) {
  ASSERT_OK_AND_ASSIGN(const ModelDescription here, Parse(kPage));
  ModelDescription there = here;
  there.estimator.hidden_units = {8};
  there.estimator.dnn_optimizer.kind = ops::OptimizerKind::kFtrl;
  there.input.fields[0].default_value = "8";
  there.input.fields.pop_back();
  there.columns.pop_back();
  std::get<HashBucketColumn>(there.columns[3].kind).num_buckets = 5;
  EXPECT_THAT(
      DescribeDifference(here, there),
      ElementsAre(
          "input.fields[0].default: 7 here, 8 there",
          "input.fields[4]: {name: answer, type: string, default: \"\"} here, nothing there",
          "columns.job.buckets: 100 here, 5 there",
          "columns.job_embedding: {kind: embedding, source: job, dimension: 3, combiner: "
          "sqrtn} here, nothing there",
          "estimator.hidden_units: [8, 4] here, [8] there",
          "estimator.dnn_optimizer.kind: adagrad here, ftrl there",
          "estimator.dnn_optimizer.learning_rate_power: nothing here, -0.5 there",
          "estimator.dnn_optimizer.l1: nothing here, 0 there",
          "estimator.dnn_optimizer.l2: nothing here, 0 there",
          "estimator.dnn_optimizer.l2_shrinkage: nothing here, 0 there"));
}

}  // namespace
}  // namespace dime::models
