#include "ps/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "runtime/storage/file_system.h"
#include "tests/ps/tables.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::ps {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;

using checkpoint::BundleReader;
using checkpoint::BundleWriter;

constexpr std::int64_t kStep = 1234567890123;

ops::TableSpec SnapshotSpec(const std::string& name, std::int64_t num_rows, std::int64_t dim,
                            ops::OptimizerKind kind) {
  ops::TableSpec spec;
  spec.name = name;
  spec.shape = {num_rows, dim};
  spec.num_rows = num_rows;
  spec.dim = dim;
  spec.initializer = {ops::InitializerKind::kUniform, 1.0f};
  spec.optimizer.kind = kind;
  return spec;
}

// One table an optimizer; rows of one float, of a few, of more than a block; more than one block.
std::vector<ops::TableSpec> SnapshotSpecs() {
  std::vector<ops::TableSpec> specs = {
      SnapshotSpec("linear/wide/weights", 100'001, 1, ops::OptimizerKind::kFtrl),
      SnapshotSpec("dnn/kernel", 1, 70'000, ops::OptimizerKind::kAdagrad),
      SnapshotSpec("zeta", 10, 3, ops::OptimizerKind::kSgd)};
  specs[1].shape = {700, 100};
  return specs;
}

std::vector<std::unique_ptr<Table>> NewTables(const std::vector<ops::TableSpec>& specs,
                                              std::uint64_t seed) {
  std::vector<std::unique_ptr<Table>> tables;
  for (const ops::TableSpec& spec : specs) {
    auto table = Table::Create(spec, seed);
    EXPECT_OK(table);
    tables.push_back(*std::move(table));
  }
  return tables;
}

// Fills every part of a table with numbers that occur nowhere else.
void FillWithDistinct(Table& table, float first) {
  const ops::TableSpec& spec = table.spec();
  std::vector<float> values(static_cast<std::size_t>(spec.num_rows * spec.dim));
  for (int part = 0; part <= ops::NumSlots(spec.optimizer.kind); ++part) {
    std::iota(values.begin(), values.end(), first + 200'000.0f * static_cast<float>(part));
    table.CopyIn(part, 0, spec.num_rows, values.data());
  }
}

std::vector<float> Part(const Table& table, int part) {
  std::vector<float> values(static_cast<std::size_t>(table.spec().num_rows * table.spec().dim));
  table.CopyOut(part, 0, table.spec().num_rows, values.data());
  return values;
}

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() {
    for (const auto& table : tables_) {
      FillWithDistinct(*table, 7);
      views_.push_back(table.get());
    }
  }

  void Write(SnapshotParts parts, std::int64_t step = kStep) {
    ASSERT_OK_AND_ASSIGN(auto writer, BundleWriter::Create(storage::LocalFileSystem(), prefix_));
    LocalRows rows(views_);
    ASSERT_OK(WriteSnapshot(rows, step, parts, *writer));
    ASSERT_OK(writer->Finish());
  }

  std::unique_ptr<BundleReader> Open() {
    auto reader = BundleReader::Open(storage::LocalFileSystem(), prefix_);
    EXPECT_OK(reader);
    return *std::move(reader);
  }

  testing::TempDir dir_;
  std::string prefix_ = dir_.File("model.ckpt-1");
  std::vector<ops::TableSpec> specs_ = SnapshotSpecs();
  std::vector<std::unique_ptr<Table>> tables_ = NewTables(specs_, 1);
  std::vector<Table*> views_;
};

TEST_F(SnapshotTest, VariablesHaveTensorFlowsNamesAndShapes) {
  Write(SnapshotParts::kWeightsAndSlots);
  const auto reader = Open();
  EXPECT_THAT(reader->tensors(),
              ElementsAre(Key("dnn/kernel"), Key("dnn/kernel/Adagrad"), Key("global_step"),
                          Key("linear/wide/weights"), Key("linear/wide/weights/Ftrl"),
                          Key("linear/wide/weights/Ftrl_1"), Key("zeta")));
  EXPECT_THAT(reader->tensors().find("dnn/kernel/Adagrad")->second.shape, ElementsAre(700, 100));
  EXPECT_THAT(reader->tensors().find("linear/wide/weights")->second.shape, ElementsAre(100'001, 1));
  EXPECT_EQ(reader->tensors().find("global_step")->second.type, checkpoint::DataType::kInt64);
}

TEST_F(SnapshotTest, ReadsBackWeightsSlotsAndStep) {
  Write(SnapshotParts::kWeightsAndSlots);
  const auto restored = NewTables(specs_, 2);
  const auto reader = Open();
  EXPECT_THAT(DescribeMismatch(specs_, SnapshotParts::kWeightsAndSlots, *reader), IsEmpty());
  ASSERT_OK_AND_ASSIGN(const std::int64_t step,
                       ReadSnapshot(*reader, SnapshotParts::kWeightsAndSlots, Pointers(restored)));
  EXPECT_EQ(step, kStep);
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    for (int part = 0; part <= ops::NumSlots(specs_[t].optimizer.kind); ++part) {
      EXPECT_TRUE(Part(*restored[t], part) == Part(*tables_[t], part)) << specs_[t].name << part;
    }
  }
}

TEST_F(SnapshotTest, AdamsPowersFollowFromTheStep) {
  specs_ = {SnapshotSpec("kernel", 2, 3, ops::OptimizerKind::kAdam)};
  specs_[0].slot_prefix = "t_0/";
  specs_[0].beta_power_names = {"head/beta1_power", "head/beta2_power"};
  specs_[0].optimizer.beta1 = 0.5f;
  specs_[0].optimizer.beta2 = 1.0f;
  tables_ = NewTables(specs_, 1);
  views_ = {tables_[0].get()};
  Write(SnapshotParts::kWeightsAndSlots, /*step=*/2);
  const auto reader = Open();
  EXPECT_THAT(reader->tensors(),
              ElementsAre(Key("global_step"), Key("head/beta1_power"), Key("head/beta2_power"),
                          Key("kernel"), Key("kernel/t_0/Adam"), Key("kernel/t_0/Adam_1")));
  float power = 0;
  EXPECT_OK(reader->ReadFloats("head/beta1_power", {&power, 1}));
  EXPECT_EQ(power, 0.125f);  // After two steps TensorFlow's has had three factors.
  EXPECT_OK(reader->ReadFloats("head/beta2_power", {&power, 1}));
  EXPECT_EQ(power, 1.0f);
}

TEST_F(SnapshotTest, AnExportHasNoSlots) {
  Write(SnapshotParts::kWeights);
  const auto reader = Open();
  EXPECT_THAT(reader->tensors(), ElementsAre(Key("dnn/kernel"), Key("global_step"),
                                             Key("linear/wide/weights"), Key("zeta")));
  const auto restored = NewTables(specs_, 2);
  ASSERT_OK_AND_ASSIGN(const std::int64_t step,
                       ReadSnapshot(*reader, SnapshotParts::kWeights, Pointers(restored)));
  EXPECT_EQ(step, kStep);
  EXPECT_TRUE(Part(*restored[0], 0) == Part(*tables_[0], 0));
  EXPECT_EQ(restored[0]->slot(5, 0)[0], 0.1f);
  EXPECT_THAT(DescribeMismatch(specs_, SnapshotParts::kWeightsAndSlots, *reader),
              ElementsAre(HasSubstr("dnn/kernel/Adagrad: missing"),
                          HasSubstr("linear/wide/weights/Ftrl: missing"),
                          HasSubstr("linear/wide/weights/Ftrl_1: missing")));
}

TEST_F(SnapshotTest, MismatchesAreNamed) {
  Write(SnapshotParts::kWeights);
  const auto reader = Open();
  std::vector<ops::TableSpec> other = SnapshotSpecs();
  other[0].shape = {100'002, 1};
  other[0].num_rows = 100'002;
  other[2].name = "eta";
  EXPECT_THAT(
      DescribeMismatch(other, SnapshotParts::kWeights, *reader),
      ElementsAre("eta: missing, should be float32 [10, 3]",
                  "linear/wide/weights: is float32 [100001, 1], should be float32 [100002, 1]",
                  "zeta: unknown to the model, is float32 [10, 3]"));
  const auto restored = NewTables(other, 2);
  EXPECT_THAT(ReadSnapshot(*reader, SnapshotParts::kWeights, Pointers(restored)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("'eta'")));
}

TEST_F(SnapshotTest, DamageIsDataLoss) {
  Write(SnapshotParts::kWeightsAndSlots);
  const std::string data_file = checkpoint::BundleFiles(prefix_).front();
  {
    std::fstream file(data_file, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1000);
    file.put('\x55');
  }
  const auto reader = Open();
  const auto restored = NewTables(specs_, 2);
  EXPECT_THAT(ReadSnapshot(*reader, SnapshotParts::kWeightsAndSlots, Pointers(restored)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("dnn/kernel")));
}

TEST_F(SnapshotTest, AModelWithoutTablesIsAStep) {
  views_.clear();
  Write(SnapshotParts::kWeightsAndSlots);
  const auto reader = Open();
  EXPECT_THAT(ReadSnapshot(*reader, SnapshotParts::kWeightsAndSlots, {}), ::dime::testing::IsOk());
  EXPECT_THAT(reader->tensors(), ElementsAre(Key("global_step")));
}

}  // namespace
}  // namespace dime::ps
