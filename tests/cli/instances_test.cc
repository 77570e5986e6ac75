#include "cli/instances.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "cli/model_library.h"
#include "runtime/storage/file_system.h"
#include "tests/support/gzip.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::cli {
namespace {

using ::dime::testing::IsOk;
using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class InstancesTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::vector<std::string>> Read(const std::string& text, std::int64_t max_lines) {
    EXPECT_OK(storage::LocalFileSystem().WriteAtomically(dir_.File("instances"), text));
    return ReadInstanceLines(dir_.File("instances"), max_lines);
  }

  TempDir dir_;
};

TEST_F(InstancesTest, EachLineIsOneInstance) {
  EXPECT_THAT(*Read("{\"a\": 1}\n[]\r\nx", 100), ElementsAre("{\"a\": 1}", "[]", "x"));
  EXPECT_THAT(*Read("only\n", 1), ElementsAre("only"));
}

TEST_F(InstancesTest, ACompressedFileIsReadAsWhatItHolds) {
  EXPECT_THAT(*Read(testing::Gzip("a\nb\n"), 100), ElementsAre("a", "b"));
  EXPECT_THAT(Read(testing::Gzip("a\nb\n").substr(0, 12), 100),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("instances")));
}

TEST_F(InstancesTest, EmptyLinesAndEmptyFilesAreRefused) {
  const auto refused = [](const char* text) {
    return StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(text));
  };
  EXPECT_THAT(Read("", 100), refused("no instances"));
  EXPECT_THAT(Read("a\n\nb\n", 100), refused("line 2 is empty"));
  EXPECT_THAT(Read("a\n \t\n", 100), refused("line 2 is empty"));
  EXPECT_THAT(Read("\xff\xfe{", 100), refused("is UTF-16"));
}

TEST_F(InstancesTest, TheLimitIsTheServicesUnlessLifted) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "x\n";
  EXPECT_THAT(*Read(text, 100), SizeIs(100));
  EXPECT_THAT(Read(text + "x\n", 100),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("more than 100 instances")));
  EXPECT_THAT(*Read(text + "x\n", 0), SizeIs(101));
}

TEST_F(InstancesTest, AMissingFileIsNamed) {
  EXPECT_THAT(ReadInstanceLines(dir_.File("none"), 100),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

class ModelLibraryTest : public ::testing::Test {
 protected:
  TempDir dir_;
};

TEST_F(ModelLibraryTest, TheLibraryHasBothGenerationsOfTheSample) {
  ASSERT_OK_AND_ASSIGN(const models::ModelDescription census, FindModel("census"));
  EXPECT_EQ(census.name, "census");
  EXPECT_EQ(census.estimator.loss_reduction, models::LossReduction::kMean);
  ASSERT_OK_AND_ASSIGN(const models::ModelDescription census_v1, FindModel("census-v1"));
  EXPECT_EQ(census_v1.estimator.loss_reduction, models::LossReduction::kSum);
}

TEST_F(ModelLibraryTest, AFileOfOnesOwnIsAModel) {
  ASSERT_OK_AND_ASSIGN(const models::ModelDescription census, FindModel("census-v1"));
  const std::string path = dir_.File("mine.yaml");
  ASSERT_OK(storage::LocalFileSystem().WriteAtomically(path, models::FormatDescription(census)));
  ASSERT_OK_AND_ASSIGN(const models::ModelDescription mine, FindModel(path));
  EXPECT_THAT(models::DescribeDifference(census, mine), SizeIs(0));
}

TEST_F(ModelLibraryTest, APageWithoutVariantsIsListedUnderItsFilesNameAndABadOneHidesNoOther) {
  const std::string page = R"(
input: {fields: [{name: city, type: string}, {name: age, type: float}, {name: label, type: string}]}
label: {field: label, vocabulary: ["no", "yes"]}
columns:
  age: {kind: numeric}
  city: {kind: hash_bucket, buckets: 10}
estimator:
  kind: DNNLinearCombinedClassifier
  linear_columns: [city]
  dnn_columns: [age]
  hidden_units: [4]
  dnn_optimizer: {kind: adagrad, learning_rate: 0.05}
  linear_optimizer: {kind: ftrl, learning_rate: 0.2}
)";
  storage::FileSystem& files = storage::LocalFileSystem();
  ASSERT_OK(files.WriteAtomically(dir_.File("towns.yaml"), page));
  ASSERT_OK(files.WriteAtomically(dir_.File("a_bad_one.yaml"), "input: ["));
  ASSERT_OK_AND_ASSIGN(const std::vector<LibraryModel> models, ListModels(dir_.path()));
  ASSERT_THAT(models, SizeIs(1));
  EXPECT_EQ(models[0].description.name, "towns");
  EXPECT_EQ(models[0].description.training.export_name, "towns");
}

TEST_F(ModelLibraryTest, AMistypedNameSuggestsTheNearest) {
  EXPECT_THAT(FindModel("censsu"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("did you mean 'census'")));
  EXPECT_THAT(FindModel(dir_.File("none.yaml")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none.yaml")));
}

}  // namespace
}  // namespace dime::cli
