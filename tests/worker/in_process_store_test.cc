#include "worker/in_process_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace dime::worker {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ops::TableSpec Spec(const std::string& name, std::int64_t num_rows, std::int64_t dim, bool dense,
                    ops::OptimizerKind kind) {
  ops::TableSpec spec;
  spec.name = name;
  spec.shape = {num_rows, dim};
  spec.num_rows = num_rows;
  spec.dim = dim;
  spec.dense = dense;
  spec.initializer = {ops::InitializerKind::kUniform, 1.0f};
  spec.optimizer.kind = kind;
  spec.optimizer.learning_rate = 1.0f;
  return spec;
}

std::unique_ptr<InProcessStore> NewStore(const std::vector<ops::TableSpec>& specs) {
  auto store = InProcessStore::Create(specs, 1);
  EXPECT_OK(store);
  return *std::move(store);
}

ops::Rows PullRows(InProcessStore& store, const ops::Lookups& lookups) {
  auto rows = store.Exchange(nullptr, {.lookups = &lookups});
  EXPECT_OK(rows);
  return *std::move(rows);
}

TEST(InProcessStoreTest, DenseTablesAreViewsOfTheTable) {
  const auto store = NewStore({Spec("kernel", 1, 6, true, ops::OptimizerKind::kAdagrad),
                               Spec("plain", 3, 2, true, ops::OptimizerKind::kSgd)});
  const ops::Rows rows = PullRows(*store, {.tables = {{}, {}}, .uses = {}});
  EXPECT_EQ(rows.tables[0].data(), store->tables()[0]->weights(0).data());
  EXPECT_EQ(rows.tables[0].size(), 6u);
  EXPECT_EQ(rows.tables[1].data(), store->tables()[1]->weights(0).data());
  EXPECT_EQ(rows.tables[1].size(), 6u);
}

TEST(InProcessStoreTest, DenseRowsWithSlotsBetweenThemAreGathered) {
  const auto store = NewStore({Spec("kernel", 3, 2, true, ops::OptimizerKind::kFtrl)});
  const ops::Rows rows = PullRows(*store, {.tables = {{}}, .uses = {}});
  ASSERT_EQ(rows.tables[0].size(), 6u);
  for (std::int64_t row = 0; row < 3; ++row) {
    const auto weights = store->tables()[0]->weights(row);
    EXPECT_EQ(rows.tables[0][static_cast<std::size_t>(2 * row)], weights[0]);
    EXPECT_EQ(rows.tables[0][static_cast<std::size_t>(2 * row + 1)], weights[1]);
  }
}

TEST(InProcessStoreTest, SparseRowsComeInTheOrderOfTheIds) {
  const auto store = NewStore({Spec("embedding", 10, 2, false, ops::OptimizerKind::kAdagrad)});
  const ops::Rows rows = PullRows(*store, {.tables = {{.ids = {7, 2}}}, .uses = {}});
  const ps::Table& table = *store->tables()[0];
  EXPECT_THAT(rows.tables[0], ElementsAre(table.weights(7)[0], table.weights(7)[1],
                                          table.weights(2)[0], table.weights(2)[1]));
}

TEST(InProcessStoreTest, APushIsAppliedBeforeTheRowsAreRead) {
  const auto store = NewStore({Spec("kernel", 1, 2, true, ops::OptimizerKind::kSgd),
                               Spec("embedding", 10, 1, false, ops::OptimizerKind::kSgd)});
  const float kernel[] = {store->tables()[0]->weights(0)[0], store->tables()[0]->weights(0)[1]};
  const float third = store->tables()[1]->weights(3)[0];
  const float fifth = store->tables()[1]->weights(5)[0];

  const ops::Lookups pushed = {.tables = {{}, {.ids = {3}}}, .uses = {}};
  const ops::Gradients gradients = {.tables = {{10, 20}, {30}}};
  const ops::Lookups next = {.tables = {{}, {.ids = {5, 3}}}, .uses = {}};
  const Push push = {.lookups = &pushed, .gradients = &gradients};
  ASSERT_OK_AND_ASSIGN(const ops::Rows rows, store->Exchange(&push, {.lookups = &next}));
  EXPECT_THAT(rows.tables[0], ElementsAre(kernel[0] - 10, kernel[1] - 20));
  EXPECT_THAT(rows.tables[1], ElementsAre(fifth, third - 30));
}

TEST(InProcessStoreTest, TheLastPushAsksForNothing) {
  const auto store = NewStore({Spec("kernel", 1, 2, true, ops::OptimizerKind::kSgd)});
  const ops::Lookups lookups = {.tables = {{}}, .uses = {}};
  const ops::Gradients gradients = {.tables = {{1, 1}}};
  const Push push = {.lookups = &lookups, .gradients = &gradients};
  ASSERT_OK_AND_ASSIGN(const ops::Rows rows, store->Exchange(&push, {}));
  EXPECT_THAT(rows.tables, IsEmpty());
}

TEST(InProcessStoreTest, NoIdsGiveNoRows) {
  const auto store = NewStore({Spec("embedding", 10, 2, false, ops::OptimizerKind::kFtrl)});
  EXPECT_THAT(PullRows(*store, {.tables = {{}}, .uses = {}}).tables[0], IsEmpty());
}

TEST(InProcessStoreTest, ATableThatDoesNotFitIsNamed) {
  EXPECT_THAT(InProcessStore::Create(
                  {Spec("huge", std::int64_t{1} << 50, 8, false, ops::OptimizerKind::kFtrl)}, 1),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("'huge'")));
}

}  // namespace
}  // namespace dime::worker
