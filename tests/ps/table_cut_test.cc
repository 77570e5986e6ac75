#include "ps/table_cut.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "ps/table.h"
#include "tests/support/status_matchers.h"

namespace dime::ps {
namespace {

struct Shape {
  std::int64_t num_rows = 0;
  std::int64_t dim = 0;
  ops::OptimizerKind optimizer = ops::OptimizerKind::kAdagrad;
};

std::unique_ptr<Table> MakeTable(const Shape& shape) {
  ops::TableSpec spec = {.name = "table",
                         .shape = {shape.num_rows, shape.dim},
                         .num_rows = shape.num_rows,
                         .dim = shape.dim,
                         .initializer = {ops::InitializerKind::kUniform, 0.5f}};
  spec.optimizer.kind = shape.optimizer;
  auto table = Table::Create(spec, 1);
  EXPECT_OK(table);
  return *std::move(table);
}

int NumParts(const Table& table) { return 1 + ops::NumSlots(table.spec().optimizer.kind); }

std::vector<std::vector<float>> AllParts(const Table& table) {
  std::vector<std::vector<float>> parts;
  for (int part = 0; part < NumParts(table); ++part) {
    auto& values =
        parts.emplace_back(static_cast<std::size_t>(table.num_rows() * table.spec().dim));
    table.CopyOut(part, 0, table.num_rows(), values.data());
  }
  return parts;
}

// Updates some rows, distinct ones.
class Updater {
 public:
  explicit Updater(Table& table) : table_(table) {}

  void Update() {
    const std::int64_t count = std::min<std::int64_t>(table_.num_rows(), 20);
    const auto stride = static_cast<std::int64_t>(random_() % 50) + 1;
    auto row = static_cast<std::int64_t>(random_() % static_cast<unsigned>(table_.num_rows()));
    std::vector<std::int64_t> rows;
    for (; std::ssize(rows) < count && row < table_.num_rows(); row += stride) rows.push_back(row);
    const std::vector<float> gradients(rows.size() * static_cast<std::size_t>(table_.spec().dim),
                                       0.25f);
    table_.Update(++step_, rows, gradients);
  }

 private:
  Table& table_;
  std::mt19937 random_{7};
  std::int64_t step_ = 0;
};

class TableCutTest : public ::testing::TestWithParam<Shape> {};

// Rows of one float and of more than a block, tables of less than a block, Adam, which moves all.
INSTANTIATE_TEST_SUITE_P(Shapes, TableCutTest,
                         ::testing::Values(Shape{10'007, 1}, Shape{5'003, 8}, Shape{37, 3},
                                           Shape{3, 5'000}, Shape{1, 100}, Shape{1'000, 16},
                                           Shape{500, 4, ops::OptimizerKind::kAdam}));

TEST_P(TableCutTest, ReadsWhatWasThereHoweverTheTableGoesOn) {
  const auto table = MakeTable(GetParam());
  Updater updater(*table);
  for (int i = 0; i < 10; ++i) updater.Update();
  const auto expected = AllParts(*table);
  TableCut& cut = table->BeginCut();
  std::vector<float> values;
  for (int part = 0; part < NumParts(*table); ++part) {
    const std::int64_t dim = table->spec().dim;
    constexpr std::int64_t kRowsAtOnce = 97;  // Across the borders of blocks.
    for (std::int64_t first = 0; first < table->num_rows(); first += kRowsAtOnce) {
      updater.Update();
      const std::int64_t count = std::min(kRowsAtOnce, table->num_rows() - first);
      values.resize(static_cast<std::size_t>(count * dim));
      cut.Read(part, first, count, /*last=*/part + 1 == NumParts(*table), values.data());
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(
            values[i],
            expected[static_cast<std::size_t>(part)][static_cast<std::size_t>(first * dim) + i])
            << "part " << part << ", from row " << first << ", value " << i;
      }
    }
  }
  EXPECT_GT(cut.peak_bytes(), 0u);
  EXPECT_LE(cut.peak_bytes(),
            static_cast<std::size_t>(table->num_rows() * table->record_floats()) * sizeof(float));
  table->EndCut();
  EXPECT_NE(AllParts(*table), expected);
}

TEST_P(TableCutTest, AThreadReadsWhatWasThereWhileAnotherUpdates) {
  const auto table = MakeTable(GetParam());
  Updater updater(*table);
  for (int round = 0; round < 5; ++round) {
    const auto expected = AllParts(*table);
    TableCut& cut = table->BeginCut();
    std::vector<std::vector<float>> found(expected.size());
    std::atomic<bool> is_over = false;
    std::jthread reader([&] {
      for (int part = 0; part < NumParts(*table); ++part) {
        std::vector<float>& values = found[static_cast<std::size_t>(part)];
        values.resize(expected[0].size());
        const std::int64_t half = table->num_rows() / 2;
        const bool is_last = part + 1 == NumParts(*table);
        cut.Read(part, 0, half, is_last, values.data());
        cut.Read(part, half, table->num_rows() - half, is_last,
                 values.data() + half * table->spec().dim);
      }
      is_over = true;
    });
    while (!is_over) updater.Update();
    reader.join();
    EXPECT_TRUE(found == expected) << round;
    table->EndCut();
  }
}

TEST(TableCutTest, NothingIsCopiedWithoutUpdatesNorAfterReading) {
  const auto table = MakeTable({1'000, 4});
  Updater updater(*table);
  TableCut& cut = table->BeginCut();
  std::vector<float> values(4'000);
  cut.Read(0, 0, 1'000, /*last=*/false, values.data());
  cut.Read(1, 0, 1'000, /*last=*/true, values.data());
  for (int i = 0; i < 100; ++i) updater.Update();
  EXPECT_EQ(cut.peak_bytes(), 0u);
}

TEST(TableCutTest, CopyingRowsInIsAnUpdateToo) {
  const auto table = MakeTable({1'000, 4});
  const auto expected = AllParts(*table);
  TableCut& cut = table->BeginCut();
  const std::vector<float> zeros(4'000, 0.0f);
  table->CopyIn(0, 0, 1'000, zeros.data());
  std::vector<float> values(4'000);
  cut.Read(0, 0, 1'000, /*last=*/false, values.data());
  EXPECT_TRUE(values == expected[0]);
}

}  // namespace
}  // namespace dime::ps
