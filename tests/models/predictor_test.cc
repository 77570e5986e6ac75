#include "models/predictor.h"

#include <gmock/gmock.h>

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "models/export/saved_model.h"
#include "runtime/base/random.h"
#include "runtime/base/thread_pool.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/records/example.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/worker/small_census.h"

namespace dime::models {
namespace {

using ::dime::testing::SmallCensus;
using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using enum absl::StatusCode;

constexpr char kJson[] =
    R"({"age": 25, "education_num": 7, "gender": " Male", "marital_status": " Never-married", )"
    R"("occupation": " Machine-op-inspct", "race": " Black"})";
constexpr char kCsv[] =
    "25, Private, 226802, 11th, 7, Never-married, Machine-op-inspct, Own-child, Black, Male, 0, 0, "
    "40, United-States,";

storage::FileSystem& Files() { return storage::LocalFileSystem(); }

records::Example SomeExample() {
  using Strings = std::vector<std::string>;
  return {{"age", std::vector<float>{25}},
          {"education_num", std::vector<float>{7}},
          {"gender", Strings{" Male"}},
          {"marital_status", Strings{" Never-married"}},
          {"occupation", Strings{" Machine-op-inspct"}},
          {"race", Strings{" Black"}},
          {"a feature of others", Strings{}}};
}

ModelWeights RandomModelWeights(const Model& model) {
  ModelWeights weights;
  for (const ops::TableSpec& table : model.tables()) {
    base::RandomStream random(/*seed=*/1, table.name);
    std::vector<float>& values =
        weights.tables.emplace_back(static_cast<std::size_t>(table.num_rows * table.dim));
    for (float& value : values) value = 0.3f * random.NextNormal();
  }
  return weights;
}

void WriteVariables(const std::string& dir, const std::vector<ops::TableSpec>& tables,
                    const ModelWeights& weights) {
  ASSERT_OK(Files().CreateDirectories(dir + "/variables"));
  ASSERT_OK_AND_ASSIGN(const auto writer,
                       checkpoint::BundleWriter::Create(Files(), dir + "/variables/variables"));
  for (std::size_t t = 0; t < tables.size(); ++t) {
    ASSERT_OK(writer->AddFloats(tables[t].name, tables[t].shape, weights.tables[t]));
  }
  ASSERT_OK(writer->AddInt64("global_step", 7));
  ASSERT_OK(writer->Finish());
}

class PredictorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteVariables(Dir(), model_.tables(), weights_);
    ASSERT_OK(Files().WriteAtomically(Dir() + "/saved_model.pb",
                                      BuildSavedModel(model_, ExportFormat::kJson)));
    ASSERT_OK(Files().CreateDirectories(Dir() + "/assets.extra/dime"));
    ASSERT_OK(Files().WriteAtomically(Dir() + "/" + kExportDescriptionFile,
                                      FormatDescription(model_.description())));
    ASSERT_OK_AND_ASSIGN(predictor_, Predictor::Load(Files(), Dir()));
  }

  std::string Dir() const { return directory_.File("1500000000"); }

  // What the model says about one line, by way of its encoder alone.
  float ExpectedLogit(const std::vector<std::string_view>& fields) {
    Batch batch = model_.encoder().NewBatch();
    EXPECT_FALSE(model_.encoder().AppendFields(fields, LabelUse::kIgnored, &batch).has_value());
    Workspace workspace;
    ops::Lookups lookups;
    model_.MakeLookups(batch, &workspace, &lookups);
    std::vector<std::vector<float>> scratch;
    const ops::Rows rows = LookUpRows(model_, weights_, lookups, &scratch);
    base::ThreadPool pool(1);
    std::vector<float> logits(1);
    model_.Forward(batch, lookups, rows, &pool, &workspace, logits);
    return logits[0];
  }

  absl::Status JsonStatus(const std::string& json) {
    return predictor_->PredictJson(std::vector<std::string>{kJson, json}).status();
  }
  absl::Status CsvStatus(const std::string& line) {
    return predictor_->PredictCsv(std::vector<std::string>{kCsv, line}).status();
  }
  absl::Status ExampleStatus(const records::Example& example) {
    return predictor_->PredictExamples(std::vector<std::string>{records::SerializeExample(example)})
        .status();
  }

  TempDir directory_;
  const Model model_{SmallCensus()};
  const ModelWeights weights_ = RandomModelWeights(model_);
  std::unique_ptr<Predictor> predictor_;
};

// `text` with the first `from` replaced.
std::string With(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST_F(PredictorTest, EachFormOfAnInstanceScoresAsTheModelDoes) {
  const float expected = ExpectedLogit(
      {"25", " Private", " 226802", " 11th", " 7", " Never-married", " Machine-op-inspct",
       " Own-child", " Black", " Male", " 0", " 0", " 40", " United-States", ""});
  EXPECT_NE(expected, 0.0f);
  ASSERT_OK_AND_ASSIGN(const auto json, predictor_->PredictJson(std::vector<std::string>{kJson}));
  ASSERT_OK_AND_ASSIGN(const auto csv, predictor_->PredictCsv(std::vector<std::string>{kCsv}));
  ASSERT_OK_AND_ASSIGN(const auto examples, predictor_->PredictExamples(std::vector<std::string>{
                                                records::SerializeExample(SomeExample())}));
  for (const auto& predictions : {json, csv, examples}) {
    ASSERT_EQ(predictions.num_examples, 1);
    EXPECT_EQ(predictions.logits[0], expected);
  }
}

TEST_F(PredictorTest, ManyInstancesComeBackInTheirOrder) {
  std::vector<std::string> instances;
  for (int i = 0; i < 2500; ++i) {
    instances.push_back(With(kJson, "25", std::to_string(i % 90)));
  }
  ASSERT_OK_AND_ASSIGN(const auto predictions, predictor_->PredictJson(instances));
  ASSERT_THAT(predictions.logits, SizeIs(2500));
  for (std::size_t i = 90; i < predictions.logits.size(); ++i) {
    ASSERT_EQ(predictions.logits[i], predictions.logits[i % 90]) << i;
  }
  EXPECT_NE(predictions.logits[0], predictions.logits[1]);
}

TEST_F(PredictorTest, BatchScoresAsItsInstancesDo) {
  Batch batch = model_.encoder().NewBatch();
  std::vector<std::string> lines;
  for (int i = 0; i < 1100; ++i) {
    const std::string age = std::to_string(i % 90);
    const std::vector<std::string_view> fields = {
        age, "", "", "", "7", "Never-married", "x", "", "", "", "", "", "", "", ""};
    ASSERT_FALSE(model_.encoder().AppendFields(fields, LabelUse::kIgnored, &batch).has_value());
    lines.push_back(age + ",,,,7,Never-married,x,,,,,,,,");
  }
  const Predictions whole = predictor_->PredictBatch(batch);
  ASSERT_OK_AND_ASSIGN(const auto single, predictor_->PredictCsv(lines));
  EXPECT_EQ(whole.num_examples, 1100);
  EXPECT_EQ(whole.logits, single.logits);
}

TEST_F(PredictorTest, NoInstancesGiveNoPredictions) {
  ASSERT_OK_AND_ASSIGN(const auto predictions, predictor_->PredictJson({}));
  EXPECT_EQ(predictions.num_examples, 0);
  EXPECT_THAT(predictions.logits, IsEmpty());
  EXPECT_EQ(predictor_->PredictBatch(model_.encoder().NewBatch()).num_examples, 0);
}

TEST_F(PredictorTest, ListOfOneValueIsThatValue) {
  EXPECT_OK(JsonStatus(With(With(kJson, "25", "[25]"), "\" Male\"", "[\" Male\"]")));
}

TEST_F(PredictorTest, UnknownValuesAndEmptyStringsAreScored) {
  EXPECT_OK(JsonStatus(With(With(kJson, " Male", "Other"), " Machine-op-inspct", "")));
}

TEST_F(PredictorTest, BadJsonNamesInstanceFeatureAndReason) {
  const auto is_bad = [](const char* feature, const char* reason) {
    return StatusIs(kInvalidArgument,
                    AllOf(HasSubstr("instance 2"), HasSubstr(feature), HasSubstr(reason)));
  };
  EXPECT_THAT(JsonStatus(With(kJson, "\"age\": 25, ", "")), is_bad("'age'", "missing"));
  EXPECT_THAT(JsonStatus(With(kJson, "25", "\"25\"")), is_bad("'age'", "the string '25'"));
  EXPECT_THAT(JsonStatus(With(kJson, "25", "null")), is_bad("'age'", "null"));
  EXPECT_THAT(JsonStatus(With(kJson, "25", "true")), is_bad("'age'", "true"));
  EXPECT_THAT(JsonStatus(With(kJson, "25", "[]")), is_bad("'age'", "empty list"));
  EXPECT_THAT(JsonStatus(With(kJson, "25", "[1, 2]")), is_bad("'age'", "several values"));
  EXPECT_THAT(JsonStatus(With(kJson, "25", "[[1]]")), is_bad("'age'", "a list"));
  EXPECT_THAT(JsonStatus(With(kJson, "25", "{}")), is_bad("'age'", "an object"));
  EXPECT_THAT(JsonStatus(With(kJson, "25", "1e39")), is_bad("'age'", "not a finite number"));
  EXPECT_THAT(JsonStatus(With(kJson, "25", "1e999")), is_bad("", "no JSON object"));
  EXPECT_THAT(JsonStatus(kJson + std::string("\0{}", 3)), is_bad("", "is a NUL"));
  EXPECT_THAT(JsonStatus(With(kJson, "25", "25, \"age\": 25")), is_bad("'age'", "twice"));
  EXPECT_THAT(JsonStatus(With(kJson, "\" Male\"", "1")), is_bad("'gender'", "the number 1"));
  EXPECT_THAT(JsonStatus(With(kJson, "gender", "gendre")), is_bad("'gendre'", "did you mean"));
  EXPECT_THAT(JsonStatus(With(kJson, "\"age\"", "\"fnlwgt\": 1, \"age\"")),
              is_bad("'fnlwgt'", "there is no feature"));
}

TEST_F(PredictorTest, TextThatIsNoJsonObjectIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("7"), std::string("\"text\""),
        std::string("null"), std::string("[1]"), std::string(kJson) + "x", std::string("{}{}"),
        std::string(100000, '['), std::string("{\"age\": \"\xff\"}"), std::string(3, '\0')}) {
    EXPECT_THAT(JsonStatus(text), StatusIs(kInvalidArgument, HasSubstr("instance 2")))
        << text.substr(0, 20);
  }
  EXPECT_THAT(JsonStatus("{}"), StatusIs(kInvalidArgument, HasSubstr("missing")));
}

TEST_F(PredictorTest, LinesMayLeaveTheLabelOut) {
  const std::string without_label(kCsv, sizeof(kCsv) - 2);
  ASSERT_OK_AND_ASSIGN(const auto predictions, predictor_->PredictCsv(std::vector<std::string>{
                                                   kCsv, without_label, kCsv + std::string("x")}));
  EXPECT_EQ(predictions.logits[1], predictions.logits[0]);
  EXPECT_EQ(predictions.logits[2], predictions.logits[0]);
}

TEST_F(PredictorTest, LinesAreReadInTheModelsDialect) {
  ModelDescription description = model_.description();
  description.input.separator = '|';
  description.input.quoting = Quoting::kNone;
  description.input.missing_values = {"NA"};
  ASSERT_OK(Files().WriteAtomically(Dir() + "/" + kExportDescriptionFile,
                                    FormatDescription(description)));
  ASSERT_OK_AND_ASSIGN(const auto predictor, Predictor::Load(Files(), Dir()));
  std::string line = kCsv;
  std::ranges::replace(line, ',', '|');
  const std::string quoted = With(line, "Private", "\"Private");
  const std::string missing = With(line, "25|", "NA|");
  ASSERT_OK_AND_ASSIGN(const auto predictions, predictor->PredictCsv(std::vector<std::string>{
                                                   line, quoted, missing, With(line, "25|", "|")}));
  ASSERT_OK_AND_ASSIGN(const auto expected, predictor_->PredictCsv(std::vector<std::string>{kCsv}));
  EXPECT_EQ(predictions.logits[0], expected.logits[0]);
  EXPECT_EQ(predictions.logits[2], predictions.logits[3]);
}

TEST_F(PredictorTest, BadLinesNameInstanceAndReason) {
  const auto is_bad = [](const char* reason) {
    return StatusIs(kInvalidArgument, AllOf(HasSubstr("instance 2"), HasSubstr(reason)));
  };
  EXPECT_THAT(CsvStatus(""), is_bad("blank"));
  EXPECT_THAT(CsvStatus("1,2"), is_bad("has 2 fields; 15 are expected, or 14 without the label "));
  EXPECT_THAT(CsvStatus(With(kCsv, "25", "old")), is_bad("'age'"));
  EXPECT_THAT(CsvStatus(std::string(kCsv) + "\n" + kCsv), is_bad("more than one line"));
  EXPECT_THAT(CsvStatus("\"25"), is_bad("quote"));
  EXPECT_OK(CsvStatus(std::string(kCsv) + "\r\n"));
}

TEST_F(PredictorTest, BadExamplesNameInstanceFeatureAndReason) {
  const auto status_with = [&](const std::string& name, const records::ExampleFeature& feature) {
    records::Example example = SomeExample();
    example[name] = feature;
    return ExampleStatus(example);
  };
  const auto is_bad = [](const char* feature, const char* reason) {
    return StatusIs(kInvalidArgument,
                    AllOf(HasSubstr("instance 1"), HasSubstr(feature), HasSubstr(reason)));
  };
  records::Example without_age = SomeExample();
  without_age.erase("age");
  EXPECT_THAT(ExampleStatus(without_age), is_bad("'age'", "missing"));
  EXPECT_THAT(status_with("age", std::vector<std::string>{"25"}), is_bad("'age'", "the string"));
  EXPECT_THAT(status_with("age", std::vector<std::string>{}), is_bad("'age'", "0 values"));
  EXPECT_THAT(status_with("age", std::vector<float>{1, 2}), is_bad("'age'", "2 values"));
  EXPECT_THAT(status_with("age", std::vector<std::int64_t>{25}),
              is_bad("'age'", "an int64_list; a float_list is expected"));
  EXPECT_THAT(status_with("gender", std::vector<std::int64_t>{1}),
              is_bad("'gender'", "the number 1"));
  EXPECT_THAT(status_with("gender", std::vector<float>{1}), is_bad("'gender'", "the number 1"));
  EXPECT_THAT(predictor_->PredictExamples(std::vector<std::string>{"\xff"}),
              is_bad("", "not a tf.Example"));
  records::Example without_gender = SomeExample();
  without_gender.erase("gender");
  EXPECT_OK(ExampleStatus(without_gender));
  EXPECT_OK(status_with("gender", std::vector<std::string>{}));
}

TEST_F(PredictorTest, DirectoriesThatAreNoExportAreTold) {
  EXPECT_THAT(Predictor::Load(Files(), directory_.File("nothing")),
              StatusIs(kNotFound, HasSubstr("nothing")));
  EXPECT_THAT(Predictor::Load(Files(), directory_.path()),
              StatusIs(kFailedPrecondition, HasSubstr("saved_model.pb")));
  EXPECT_THAT(Predictor::Load(Files(), Dir() + "/saved_model.pb"),
              StatusIs(kFailedPrecondition, HasSubstr("is a file")));
  ASSERT_OK(Files().WriteAtomically(Dir() + "/saved_model.pb", ""));
  EXPECT_THAT(Predictor::Load(Files(), Dir()),
              StatusIs(kFailedPrecondition, HasSubstr("is empty")));
  ASSERT_OK(Files().DeleteFile(Dir() + "/" + kExportDescriptionFile));
  EXPECT_THAT(Predictor::Load(Files(), Dir()),
              StatusIs(kFailedPrecondition, HasSubstr("model.yaml")));
}

TEST_F(PredictorTest, VariablesThatDoNotFitTheDescriptionAreTold) {
  std::vector<ops::TableSpec> tables = model_.tables();
  tables.back().name = "other";
  WriteVariables(Dir(), tables, weights_);
  EXPECT_THAT(Predictor::Load(Files(), Dir()),
              StatusIs(kFailedPrecondition, HasSubstr("'linear/linear_model/bias_weights'")));

  tables = model_.tables();
  std::reverse(tables[0].shape.begin(), tables[0].shape.end());
  WriteVariables(Dir(), tables, weights_);
  EXPECT_THAT(Predictor::Load(Files(), Dir()),
              StatusIs(kFailedPrecondition, HasSubstr("'" + tables[0].name + "'")));

  tables = model_.tables();
  tables.push_back({.name = "one too many",
                    .shape = {1},
                    .num_rows = 1,
                    .dim = 1,
                    .initializer = {},
                    .optimizer = {}});
  ModelWeights weights = weights_;
  weights.tables.push_back({0});
  WriteVariables(Dir(), tables, weights);
  EXPECT_THAT(Predictor::Load(Files(), Dir()),
              StatusIs(kFailedPrecondition, HasSubstr("'one too many'")));
}

TEST_F(PredictorTest, DamagedVariablesAreFound) {
  const std::string path = Dir() + "/variables/variables.data-00000-of-00001";
  ASSERT_OK_AND_ASSIGN(std::string data, Files().ReadFile(path));
  data[data.size() / 2] = static_cast<char>(data[data.size() / 2] ^ 1);
  ASSERT_OK(Files().WriteAtomically(path, data));
  EXPECT_THAT(Predictor::Load(Files(), Dir()), StatusIs(kDataLoss, HasSubstr("CRC")));
}

}  // namespace
}  // namespace dime::models
