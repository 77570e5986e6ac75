#include "models/batch.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <vector>

namespace dime::models {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Three examples: a column of one id each, one of several, floats of two.
Batch ThreeExamples() {
  Batch batch;
  batch.num_examples = 3;
  batch.ids = {{.ids = {10, 11, 12}, .offsets = {}, .weights = {0.5f, 0.25f, 2}},
               {.ids = {1, 2, 3, 4}, .offsets = {0, 2, 2, 4}, .weights = {0.1f, 0.2f, 0.3f, 0.4f}}};
  batch.floats = {{.dim = 2, .values = {0, 1, 2, 3, 4, 5}}};
  batch.labels = {0, 1, 0};
  batch.records = {100, 101, 102};
  return batch;
}

TEST(GatherExamplesTest, TakesExamplesInTheOrderAskedForWithRepeats) {
  Batch out;
  GatherExamples(ThreeExamples(), std::vector<std::int64_t>{2, 0, 1, 2}, &out);
  EXPECT_EQ(out.num_examples, 4);
  EXPECT_THAT(out.ids[0].ids, ElementsAre(12, 10, 11, 12));
  EXPECT_THAT(out.ids[0].offsets, IsEmpty());
  EXPECT_THAT(out.ids[1].ids, ElementsAre(3, 4, 1, 2, 3, 4));
  EXPECT_THAT(out.ids[1].offsets, ElementsAre(0, 2, 4, 4, 6));
  EXPECT_THAT(out.ids[0].weights, ElementsAre(2, 0.5f, 0.25f, 2));
  EXPECT_THAT(out.ids[1].weights, ElementsAre(0.3f, 0.4f, 0.1f, 0.2f, 0.3f, 0.4f));
  EXPECT_EQ(out.floats[0].dim, 2);
  EXPECT_THAT(out.floats[0].values, ElementsAre(4, 5, 0, 1, 2, 3, 4, 5));
  EXPECT_THAT(out.labels, ElementsAre(0, 0, 1, 0));
  EXPECT_THAT(out.weights, IsEmpty());
  EXPECT_THAT(out.records, ElementsAre(102, 100, 101, 102));
}

TEST(GatherExamplesTest, LeavesNothingOfTheCallBefore) {
  Batch out;
  GatherExamples(ThreeExamples(), std::vector<std::int64_t>{0, 1, 2}, &out);
  Batch plain = ThreeExamples();
  plain.ids[1] = {.ids = {7, 8, 9}, .offsets = {}, .weights = {}};
  plain.labels.clear();
  plain.records.clear();
  GatherExamples(plain, std::vector<std::int64_t>{1}, &out);
  EXPECT_EQ(out.num_examples, 1);
  EXPECT_THAT(out.ids[1].ids, ElementsAre(8));
  EXPECT_THAT(out.ids[1].offsets, IsEmpty());
  EXPECT_THAT(out.ids[1].weights, IsEmpty());
  EXPECT_THAT(out.labels, IsEmpty());
  EXPECT_THAT(out.records, IsEmpty());
}

TEST(ReserveExamplesTest, SoManyExamplesThenTakeNoMemory) {
  Batch batch = ThreeExamples();
  ReserveExamples(300, &batch);
  const std::int64_t* const ids = batch.ids[0].ids.data();
  const float* const floats = batch.floats[0].values.data();
  const float* const labels = batch.labels.data();
  for (int i = 1; i < 100; ++i) AppendExamples(ThreeExamples(), &batch);
  EXPECT_EQ(batch.num_examples, 300);
  EXPECT_EQ(batch.ids[0].ids.data(), ids);
  EXPECT_EQ(batch.floats[0].values.data(), floats);
  EXPECT_EQ(batch.labels.data(), labels);
}

TEST(ReserveExamplesTest, ALittleMoreAgainAndAgainCopiesSeldom) {
  Batch batch = ThreeExamples();
  int num_copies = 0;
  for (int i = 0; i < 1000; ++i) {
    const float* const labels = batch.labels.data();
    ReserveExamples(batch.num_examples + 3, &batch);
    if (batch.labels.data() != labels) ++num_copies;
    AppendExamples(ThreeExamples(), &batch);
  }
  EXPECT_LE(num_copies, 25);
}

TEST(GatherExamplesTest, NoIndicesGiveNoExamples) {
  Batch out;
  GatherExamples(ThreeExamples(), {}, &out);
  EXPECT_EQ(out.num_examples, 0);
  EXPECT_THAT(out.ids[0].ids, IsEmpty());
  EXPECT_THAT(out.ids[1].offsets, ElementsAre(0));
  EXPECT_THAT(out.floats[0].values, IsEmpty());
}

TEST(AppendExamplesTest, JoinsColumnsLabelsAndRecords) {
  Batch batch = ThreeExamples();
  AppendExamples(ThreeExamples(), &batch);
  EXPECT_EQ(batch.num_examples, 6);
  EXPECT_THAT(batch.ids[0].ids, ElementsAre(10, 11, 12, 10, 11, 12));
  EXPECT_THAT(batch.ids[0].offsets, IsEmpty());
  EXPECT_THAT(batch.ids[1].offsets, ElementsAre(0, 2, 2, 4, 6, 6, 8));
  EXPECT_THAT(batch.floats[0].values, ElementsAre(0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5));
  EXPECT_THAT(batch.labels, ElementsAre(0, 1, 0, 0, 1, 0));
  EXPECT_THAT(batch.records, ElementsAre(100, 101, 102, 100, 101, 102));
}

TEST(AppendExamplesTest, FillsABatchThatHasColumnsOnly) {
  Batch batch;
  batch.ids.resize(2);
  batch.floats = {{.dim = 2, .values = {}}};
  AppendExamples(ThreeExamples(), &batch);
  EXPECT_EQ(batch.num_examples, 3);
  EXPECT_THAT(batch.ids[1].offsets, ElementsAre(0, 2, 2, 4));
  EXPECT_THAT(batch.labels, ElementsAre(0, 1, 0));
}

TEST(AppendExamplesTest, AppendingNoExamplesChangesNothing) {
  Batch batch = ThreeExamples();
  Batch none;
  none.ids.resize(2);
  none.floats = {{.dim = 2, .values = {}}};
  AppendExamples(none, &batch);
  EXPECT_EQ(batch.num_examples, 3);
  EXPECT_THAT(batch.labels, ElementsAre(0, 1, 0));
}

TEST(AppendExamplesTest, ASingleIdAnExampleMeetsSeveral) {
  Batch batch = ThreeExamples();
  Batch more = ThreeExamples();
  more.ids[0] = {.ids = {20, 21}, .offsets = {0, 0, 2, 2}, .weights = {}};
  more.ids[1] = {.ids = {7, 8, 9}, .offsets = {}, .weights = {5, 6, 7}};
  AppendExamples(more, &batch);
  EXPECT_THAT(batch.ids[0].ids, ElementsAre(10, 11, 12, 20, 21));
  EXPECT_THAT(batch.ids[0].offsets, ElementsAre(0, 1, 2, 3, 3, 5, 5));
  EXPECT_THAT(batch.ids[0].weights, ElementsAre(0.5f, 0.25f, 2, 1, 1));
  EXPECT_THAT(batch.ids[1].weights, ElementsAre(0.1f, 0.2f, 0.3f, 0.4f, 5, 6, 7));
  EXPECT_THAT(batch.ids[1].ids, ElementsAre(1, 2, 3, 4, 7, 8, 9));
  EXPECT_THAT(batch.ids[1].offsets, ElementsAre(0, 2, 2, 4, 5, 6, 7));
}

TEST(AppendExamplesTest, NoWeightsCountAsOnes) {
  Batch weighted = ThreeExamples();
  weighted.weights = {2, 3, 4};
  Batch batch = ThreeExamples();
  AppendExamples(weighted, &batch);
  EXPECT_THAT(batch.weights, ElementsAre(1, 1, 1, 2, 3, 4));
  AppendExamples(ThreeExamples(), &batch);
  EXPECT_THAT(batch.weights, ElementsAre(1, 1, 1, 2, 3, 4, 1, 1, 1));
}

}  // namespace
}  // namespace dime::models
