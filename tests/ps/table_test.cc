#include "ps/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/ps/tables.h"
#include "tests/support/status_matchers.h"

namespace dime::ps {
namespace {

using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Lt;

using Vector = std::vector<float>;

const ops::Initializer kZeros;
const ops::Initializer kUniform = {ops::InitializerKind::kUniform, 0.5f};
const ops::Initializer kNormal = {ops::InitializerKind::kTruncatedNormal, 0.25f};
const ops::OptimizerSpec kSgd = {.kind = ops::OptimizerKind::kSgd, .learning_rate = 0.5f};
const ops::OptimizerSpec kFtrl = {.kind = ops::OptimizerKind::kFtrl, .learning_rate = 0.5f};

ops::TableSpec Spec(std::int64_t num_rows, std::int64_t dim, const ops::OptimizerSpec& optimizer,
                    const ops::Initializer& initializer) {
  return {.name = "some/weights",
          .shape = {num_rows, dim},
          .num_rows = num_rows,
          .dim = dim,
          .dense = false,
          .initializer = initializer,
          .optimizer = optimizer};
}

std::unique_ptr<Table> NewTable(const ops::TableSpec& spec, std::uint64_t seed = 1) {
  auto table = Table::Create(spec, seed);
  EXPECT_OK(table);
  return *std::move(table);
}

Vector AllWeights(const Table& table) {
  Vector values(static_cast<std::size_t>(table.spec().num_rows * table.spec().dim));
  table.CopyOut(0, 0, table.spec().num_rows, values.data());
  return values;
}

TEST(TableTest, RecordsHoldWeightsAndSlots) {
  EXPECT_EQ(NewTable(Spec(3, 2, kSgd, kZeros))->record_floats(), 2);
  EXPECT_EQ(NewTable(Spec(3, 2, kAdagrad, kZeros))->record_floats(), 4);
  EXPECT_EQ(NewTable(Spec(3, 2, kFtrl, kZeros))->record_floats(), 6);
}

TEST(TableTest, StartsWithZerosAndTheSlotsStarts) {
  // Sizes around the block that equal records are copied in, and beyond a huge page.
  for (const std::int64_t num_rows : {1, 1365, 1366, 4096, 5000, 1'000'000}) {
    const auto table = NewTable(Spec(num_rows, 1, kFtrl, kZeros));
    for (std::int64_t row = 0; row < num_rows; ++row) {
      ASSERT_EQ(table->weights(row)[0], 0.0f) << row;
      ASSERT_EQ(table->slot(row, 0)[0], 0.1f) << row;
      ASSERT_EQ(table->slot(row, 1)[0], 0.0f) << row;
    }
  }
}

TEST(TableTest, DrawnWeightsLeaveTheSlotsStarts) {
  const auto table = NewTable(Spec(20, 3, kAdagrad, kUniform));
  for (std::int64_t row = 0; row < 20; ++row) {
    EXPECT_THAT(table->weights(row), Each(::testing::Ne(0.0f)));
    EXPECT_THAT(table->slot(row, 0), Each(0.1f));
  }
}

TEST(TableTest, UniformWeightsFillTheirRange) {
  const Vector values = AllWeights(*NewTable(Spec(2000, 8, kSgd, kUniform)));
  EXPECT_THAT(values, Each(AllOf(Ge(-0.5f), Lt(0.5f))));
  double sum = 0;
  for (const float v : values) sum += static_cast<double>(v);
  EXPECT_NEAR(sum / static_cast<double>(values.size()), 0.0, 0.01);
  EXPECT_LT(*std::min_element(values.begin(), values.end()), -0.49f);
  EXPECT_GT(*std::max_element(values.begin(), values.end()), 0.49f);
}

TEST(TableTest, NormalWeightsAreTruncatedAtTwoDeviations) {
  const Vector values = AllWeights(*NewTable(Spec(2000, 8, kSgd, kNormal)));
  double sum = 0;
  double squares = 0;
  for (const float v : values) {
    ASSERT_LE(std::fabs(v), 0.5f);
    sum += static_cast<double>(v);
    squares += static_cast<double>(v) * static_cast<double>(v);
  }
  const auto count = static_cast<double>(values.size());
  EXPECT_NEAR(sum / count, 0.0, 0.01);
  // The deviation of a normal cut at 2 sigma is 0.8796 sigma.
  EXPECT_NEAR(std::sqrt(squares / count), 0.8796 * 0.25, 0.004);
  EXPECT_GT(*std::max_element(values.begin(), values.end()), 0.49f);
}

TEST(TableTest, InitialRowsDependOnSeedNameAndRowAlone) {
  const ops::TableSpec spec = Spec(100, 4, kAdagrad, kNormal);
  const Vector values = AllWeights(*NewTable(spec, 5));
  EXPECT_EQ(AllWeights(*NewTable(spec, 5)), values);
  EXPECT_NE(AllWeights(*NewTable(spec, 6)), values);

  ops::TableSpec renamed = spec;
  renamed.name = "other/weights";
  EXPECT_NE(AllWeights(*NewTable(renamed, 5)), values);

  const auto larger = NewTable(Spec(1000, 4, kFtrl, kNormal), 5);
  for (std::int64_t row = 0; row < 100; ++row) {
    EXPECT_THAT(larger->weights(row),
                ElementsAreArray(values.begin() + row * 4, values.begin() + row * 4 + 4));
  }
  EXPECT_THAT(larger->weights(1), ::testing::Not(ElementsAreArray(larger->weights(0))));
}

TEST(TableTest, GatherTakesRowsInTheGivenOrder) {
  for (const std::int64_t dim : {1, 2, 8, 100}) {
    const auto table = NewTable(Spec(50, dim, kFtrl, kUniform));
    std::vector<std::int64_t> ids;
    for (std::int64_t i = 0; i < 40; ++i) ids.push_back(i * 37 % 50);
    Vector out(ids.size() * static_cast<std::size_t>(dim));
    table->Gather(ids, out);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto at = static_cast<std::ptrdiff_t>(i) * dim;
      EXPECT_THAT(table->weights(ids[i]),
                  ElementsAreArray(out.begin() + at, out.begin() + at + dim));
    }
    table->Gather({}, {});
  }
}

TEST(TableTest, UpdateChangesTheGivenRowsAndNoOthers) {
  const auto table = NewTable(Spec(3, 2, kSgd, kZeros));
  const std::vector<std::int64_t> ids = {2, 0};
  const Vector gradients = {1, 2, 4, 8};
  table->Update(1, ids, gradients);
  EXPECT_THAT(AllWeights(*table), ElementsAre(-2, -4, 0, 0, -0.5f, -1));
}

TEST(TableTest, UpdateAllEqualsUpdateOfEveryRow) {
  constexpr std::int64_t kRows = 20;
  for (const std::int64_t dim : {1, 3, 100}) {
    for (const ops::OptimizerSpec& optimizer : {kSgd, kAdagrad, kFtrl}) {
      const auto all = NewTable(Spec(kRows, dim, optimizer, kUniform));
      const auto each = NewTable(Spec(kRows, dim, optimizer, kUniform));
      const Vector gradients = AllWeights(*NewTable(Spec(kRows, dim, kSgd, kNormal)));
      std::vector<std::int64_t> ids(kRows);
      for (std::int64_t row = 0; row < kRows; ++row) ids[static_cast<std::size_t>(row)] = row;
      all->UpdateAll(1, gradients);
      each->Update(1, ids, gradients);
      for (std::int64_t row = 0; row < kRows; ++row) {
        EXPECT_THAT(all->weights(row), ElementsAreArray(each->weights(row)));
        if (optimizer == kSgd) continue;
        EXPECT_THAT(all->slot(row, 0), ElementsAreArray(each->slot(row, 0)));
      }
    }
  }
}

TEST(TableTest, PartsAreCopiedInAndOutByRanges) {
  const auto table = NewTable(Spec(4, 2, kFtrl, kZeros));
  const Vector linear = {1, 2, 3, 4};
  table->CopyIn(2, 1, 2, linear.data());
  EXPECT_THAT(table->slot(0, 1), ElementsAre(0, 0));
  EXPECT_THAT(table->slot(1, 1), ElementsAre(1, 2));
  EXPECT_THAT(table->slot(2, 1), ElementsAre(3, 4));
  EXPECT_THAT(table->slot(3, 1), ElementsAre(0, 0));
  EXPECT_THAT(table->weights(1), ElementsAre(0, 0));
  EXPECT_THAT(table->slot(1, 0), ElementsAre(0.1f, 0.1f));
  Vector out(6);
  table->CopyOut(2, 0, 3, out.data());
  EXPECT_THAT(out, ElementsAre(0, 0, 1, 2, 3, 4));
  table->CopyOut(2, 4, 0, nullptr);  // An empty range at the end.
}

TEST(TableTest, EmptyTablesAreFine) {
  const auto table = NewTable(Spec(0, 8, kAdagrad, kNormal));
  table->Gather({}, {});
  table->Update(1, {}, {});
  table->UpdateAll(1, {});
}

TEST(TableTest, TooLargeTablesAreRefusedByName) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  for (const auto& [num_rows, dim] :
       {std::pair{std::int64_t{1} << 40, std::int64_t{64}}, {kMax, 1}, {kMax, kMax}, {2, kMax}}) {
    EXPECT_THAT(Table::Create(Spec(num_rows, dim, kFtrl, kZeros), 1),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("'some/weights'")));
  }
}

}  // namespace
}  // namespace dime::ps
