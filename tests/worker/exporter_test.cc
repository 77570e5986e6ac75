#include "worker/exporter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "models/predictor.h"
#include "tests/support/forwarding_file_system.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/worker/small_census.h"
#include "tests/worker/small_dataset.h"
#include "worker/in_process_store.h"

namespace dime::worker {
namespace {

namespace fs = std::filesystem;
using ::dime::testing::SmallCensus;
using ::dime::testing::StatusIs;
using ::testing::HasSubstr;

class ExporterTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Export(storage::FileSystem& file_system, InProcessStore& store) {
    return worker::Export(file_system, Base(), model_, store, /*global_step=*/5,
                          models::ExportFormat::kJson, sample_);
  }
  absl::StatusOr<std::string> Export() { return Export(storage::LocalFileSystem(), *store_); }

  std::string Base() const { return directory_.File("export/census"); }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(Base())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  testing::TempDir directory_;
  models::Model model_{SmallCensus()};
  std::unique_ptr<InProcessStore> store_ = *InProcessStore::Create(model_.tables(), /*seed=*/1);
  models::Batch sample_ = testing::SmallDataset(model_, 30);
};

TEST_F(ExporterTest, PublishesWhatThePredictorLoads) {
  ASSERT_OK_AND_ASSIGN(const std::string path, Export());
  ASSERT_EQ(Names().size(), 1u);
  EXPECT_EQ(path, Base() + "/" + Names().front());
  EXPECT_TRUE(
      std::ranges::all_of(Names().front(), [](unsigned char c) { return std::isdigit(c); }));
  for (const char* const file :
       {"saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001",
        "assets.extra/dime/model.yaml"}) {
    EXPECT_TRUE(fs::is_regular_file(fs::path(path) / file)) << file;
  }
  ASSERT_OK_AND_ASSIGN(const auto predictor,
                       models::Predictor::Load(storage::LocalFileSystem(), path));
  EXPECT_EQ(predictor->PredictBatch(sample_).num_examples, 30);
}

TEST_F(ExporterTest, ATakenNumberIsCountedUp) {
  ASSERT_OK_AND_ASSIGN(const std::string first, Export());
  ASSERT_OK_AND_ASSIGN(const std::string second, Export());
  ASSERT_OK_AND_ASSIGN(const std::string third, Export());
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_EQ(Names().size(), 3u);
}

TEST_F(ExporterTest, WhatAKilledExportLeftIsDeleted) {
  fs::create_directories(Base() + "/temp-1500000000/variables");
  ASSERT_OK(Export());
  EXPECT_EQ(Names().size(), 1u);
}

TEST_F(ExporterTest, OtherExportsStay) {
  fs::create_directories(Base() + "/1500000000");
  ASSERT_OK(Export());
  EXPECT_TRUE(fs::exists(Base() + "/1500000000"));
}

// Reads every file of exports from another place.
class SwappingFileSystem final : public testing::ForwardingFileSystem {
 public:
  SwappingFileSystem(std::string name, std::string other)
      : name_(std::move(name)), other_(std::move(other)) {}

  absl::StatusOr<std::unique_ptr<storage::ReadableFile>> OpenForRead(
      const std::string& path) override {
    const std::size_t at = path.find(name_);
    return ForwardingFileSystem::OpenForRead(
        at == path.npos ? path : other_ + path.substr(at + name_.size()));
  }

 private:
  std::string name_;
  std::string other_;
};

TEST_F(ExporterTest, FilesThatScoreOtherwiseThanTheStoreAreNotPublished) {
  ASSERT_OK_AND_ASSIGN(const std::string path, Export());
  const std::string other = directory_.File("other");
  fs::rename(path, other);
  SwappingFileSystem file_system("/variables/variables", other + "/variables/variables");
  ASSERT_OK_AND_ASSIGN(const auto store, InProcessStore::Create(model_.tables(), /*seed=*/2));
  EXPECT_THAT(Export(file_system, *store),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("logit")));
  EXPECT_TRUE(Names().empty());
}

TEST_F(ExporterTest, AnUnwritablePlaceIsNamedAndLeftAsItWas) {
  std::ofstream(directory_.File("export")) << "a file";
  EXPECT_THAT(Export().status().ToString(), HasSubstr(Base()));
  EXPECT_TRUE(fs::is_regular_file(directory_.File("export")));
}

TEST_F(ExporterTest, TheStoreStaysAsItWas) {
  const std::vector<const ps::Table*> tables = store_->tables();
  std::vector<float> before(tables[0]->weights(0).begin(), tables[0]->weights(0).end());
  ASSERT_OK(Export());
  EXPECT_TRUE(std::ranges::equal(before, tables[0]->weights(0)));
}

}  // namespace
}  // namespace dime::worker
