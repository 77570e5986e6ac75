#include "ops/sparse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace dime::ops {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

using Vector = std::vector<float>;

constexpr Combiner kCombiners[] = {Combiner::kSum, Combiner::kMean, Combiner::kSqrtn};

Vector RandomVector(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Vector values(size);
  for (float& v : values) v = normal(random);
  return values;
}

MatrixView View(Vector& values, std::int64_t rows, std::int64_t cols) {
  return {values.data(), rows, cols, cols};
}

// Six examples over the five rows of a table: none, invalid only, one, a mixture, repeats, one.
LookupUse MultiValued() {
  return {.table = 0,
          .positions = {-1, -1, 3, 0, -1, 2, 4, 4, 1, 4, 0},
          .offsets = {0, 0, 2, 3, 6, 10, 11},
          .weights = {}};
}
LookupUse OneEach() {
  return {.table = 0, .positions = {4, -1, 0, 4, 2, 1}, .offsets = {}, .weights = {}};
}
LookupUse Weighted(LookupUse use) {
  const Vector weights = {2, 0.5f, 3, 0.25f, 5, 1.5f, -1, 2, 0, 1, 0.125f};
  use.weights.assign(weights.begin(), weights.begin() + std::ssize(use.positions));
  return use;
}
std::vector<LookupUse> AllUses() {
  return {MultiValued(), OneEach(), Weighted(MultiValued()), Weighted(OneEach())};
}
constexpr std::int64_t kExamples = 6;
constexpr std::int64_t kRows = 5;

// The specification, in double.
std::vector<double> PlainCombine(const LookupUse& use, const Vector& rows, std::int64_t dim,
                                 Combiner combiner) {
  std::vector<double> out(static_cast<std::size_t>(kExamples * dim));
  for (std::int64_t e = 0; e < kExamples; ++e) {
    const auto first = use.offsets.empty() ? e : use.offsets[static_cast<std::size_t>(e)];
    const auto end = use.offsets.empty() ? e + 1 : use.offsets[static_cast<std::size_t>(e) + 1];
    const auto weight_of = [&](auto value) -> double {
      const auto i = static_cast<std::size_t>(value);
      const double weight = use.weights.empty() ? 1.0 : static_cast<double>(use.weights[i]);
      const bool counts = use.positions[i] >= 0 && (combiner == Combiner::kSum || weight > 0);
      return counts ? weight : 0.0;
    };
    double sum = 0;
    double squares = 0;
    for (auto i = first; i < end; ++i) {
      sum += weight_of(i);
      squares += weight_of(i) * weight_of(i);
    }
    const double divisor = combiner == Combiner::kSum    ? 1
                           : combiner == Combiner::kMean ? sum
                                                         : std::sqrt(squares);
    for (auto i = first; i < end; ++i) {
      const std::int64_t position = use.positions[static_cast<std::size_t>(i)];
      if (weight_of(i) == 0) continue;
      for (std::int64_t d = 0; d < dim; ++d) {
        out[static_cast<std::size_t>(e * dim + d)] +=
            weight_of(i) * static_cast<double>(rows[static_cast<std::size_t>(position * dim + d)]) /
            divisor;
      }
    }
  }
  return out;
}

TEST(CombineRowsTest, EqualsThePlainLoop) {
  for (const std::int64_t dim : {1, 3, 8, 17}) {
    const Vector rows = RandomVector(static_cast<std::size_t>(kRows * dim), 1);
    for (const LookupUse& use : AllUses()) {
      for (const Combiner combiner : kCombiners) {
        Vector out(static_cast<std::size_t>(kExamples * dim), 99.0f);
        CombineRows(use, AllExamples(use), rows, combiner, View(out, kExamples, dim));
        const std::vector<double> expected = PlainCombine(use, rows, dim, combiner);
        for (std::size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], expected[i], 1e-6);
      }
    }
  }
}

TEST(CombineRowsTest, ExamplesWithoutAValidIdAreZero) {
  const Vector rows(kRows, 7.0f);
  for (const Combiner combiner : kCombiners) {
    Vector out(kExamples, 99.0f);
    CombineRows(MultiValued(), AllExamples(MultiValued()), rows, combiner, View(out, kExamples, 1));
    EXPECT_EQ(out[0], 0.0f);
    EXPECT_EQ(out[1], 0.0f);
  }
}

TEST(CombineRowsTest, InvalidIdsDoNotCountInTheMean) {
  const Vector rows = {2, 0, 4, 0, 0};
  Vector out(kExamples);
  CombineRows(MultiValued(), AllExamples(MultiValued()), rows, Combiner::kMean,
              View(out, kExamples, 1));
  EXPECT_EQ(out[3], 3.0f);  // Rows 0 and 2, and an id that is none.
}

TEST(CombineRowsTest, WeightsThatAreNotPositiveCountInASumAlone) {
  const Vector rows = {2, 0, 4, 0, 0};
  LookupUse use = MultiValued();
  use.weights.assign(use.positions.size(), 0.0f);
  use.weights[3] = 3;   // Of row 0, in example 3.
  use.weights[5] = -1;  // Of row 2.
  Vector out(kExamples);
  CombineRows(use, AllExamples(use), rows, Combiner::kSum, View(out, kExamples, 1));
  EXPECT_EQ(out[3], 2.0f);
  CombineRows(use, AllExamples(use), rows, Combiner::kMean, View(out, kExamples, 1));
  EXPECT_THAT(out, ElementsAre(0, 0, 0, 2, 0, 0));
}

TEST(CombineRowsTest, WritesOnlyItsColumnsOfAWiderMatrix) {
  const Vector rows = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  Vector wide(kExamples * 5, -1.0f);
  CombineRows(OneEach(), AllExamples(OneEach()), rows, Combiner::kMean,
              {wide.data() + 1, kExamples, 2, 5});
  EXPECT_THAT(Vector(wide.begin(), wide.begin() + 5), ElementsAre(-1, 9, 10, -1, -1));
  EXPECT_THAT(Vector(wide.begin() + 5, wide.begin() + 10), ElementsAre(-1, 0, 0, -1, -1));
}

TEST(CombineRowsTest, ARangeIsThatPartOfTheWhole) {
  const Vector rows = RandomVector(kRows * 3, 8);
  for (const LookupUse& use : AllUses()) {
    for (const Combiner combiner : kCombiners) {
      Vector whole(kExamples * 3);
      CombineRows(use, AllExamples(use), rows, combiner, View(whole, kExamples, 3));
      Vector part(3 * 3);
      CombineRows(use, {2, 3}, rows, combiner, View(part, 3, 3));
      EXPECT_THAT(part, ElementsAreArray(whole.begin() + 2 * 3, whole.begin() + 5 * 3));
    }
  }
}

TEST(AddLinearTermsTest, ARangeIsThatPartOfTheWhole) {
  const Vector weights = RandomVector(kRows * 2, 9);
  for (const LookupUse& use : AllUses()) {
    Vector whole(kExamples * 2, 1.0f);
    AddLinearTerms(use, AllExamples(use), weights, 2, whole);
    Vector part(4 * 2, 1.0f);
    AddLinearTerms(use, {1, 4}, weights, 2, part);
    EXPECT_THAT(part, ElementsAreArray(whole.begin() + 1 * 2, whole.begin() + 5 * 2));
  }
}

TEST(CombineRowsTest, NoExamplesAreFine) {
  CombineRows({}, {}, {}, Combiner::kMean, {nullptr, 0, 8, 8});
  CombineRows({.table = 0, .positions = {}, .offsets = {0}, .weights = {}}, {}, {}, Combiner::kSum,
              {nullptr, 0, 8, 8});
}

TEST(CombinedGradientTest, IsTheDifferenceQuotient) {
  constexpr std::int64_t kDim = 3;
  const Vector rows = RandomVector(kRows * kDim, 2);
  const Vector dout = RandomVector(kExamples * kDim, 3);
  // The function is linear in the rows: a step of 1 is exact but for rounding.
  for (const LookupUse& use : AllUses()) {
    for (const Combiner combiner : kCombiners) {
      Vector gradients(rows.size());
      AddCombinedGradient(use, {dout.data(), kExamples, kDim, kDim}, combiner, gradients);
      const std::vector<double> before = PlainCombine(use, rows, kDim, combiner);
      for (std::size_t r = 0; r < rows.size(); ++r) {
        Vector moved = rows;
        moved[r] += 1;
        const std::vector<double> after = PlainCombine(use, moved, kDim, combiner);
        double slope = 0;
        for (std::size_t i = 0; i < dout.size(); ++i) {
          slope += (after[i] - before[i]) * static_cast<double>(dout[i]);
        }
        EXPECT_NEAR(gradients[r], slope, 1e-5) << "row element " << r;
      }
    }
  }
}

TEST(CombinedGradientTest, AddsToWhatIsThere) {
  Vector gradients(kRows, 10.0f);
  const Vector dout(kExamples, 1.0f);
  const ConstMatrixView view(dout.data(), kExamples, 1, 1);
  AddCombinedGradient(OneEach(), view, Combiner::kMean, gradients);
  EXPECT_THAT(gradients, ElementsAre(11, 11, 11, 10, 12));  // Row 4 is used twice.
  AddCombinedGradient(OneEach(), view, Combiner::kMean, gradients);
  EXPECT_THAT(gradients, ElementsAre(12, 12, 12, 10, 14));
}

TEST(LinearTest, AddsTheWeightsOfValidIds) {
  const Vector weights = {1, 2, 4, 8, 16};
  Vector logits(kExamples, 100.0f);
  AddLinearTerms(MultiValued(), AllExamples(MultiValued()), weights, 1, logits);
  EXPECT_THAT(logits, ElementsAre(100, 100, 108, 105, 150, 101));
  AddLinearTerms(OneEach(), AllExamples(OneEach()), weights, 1, logits);
  EXPECT_THAT(logits, ElementsAre(116, 100, 109, 121, 154, 103));
}

TEST(LinearTest, GradientSumsOverTheUsesOfARow) {
  const Vector dlogits = {1, 2, 4, 8, 16, 32};
  Vector gradients(kRows, 0.5f);
  AddLinearGradient(MultiValued(), dlogits, 1, gradients);
  EXPECT_THAT(gradients, ElementsAre(40.5f, 16.5f, 8.5f, 4.5f, 48.5f));
  gradients.assign(kRows, 0.0f);
  AddLinearGradient(OneEach(), dlogits, 1, gradients);
  EXPECT_THAT(gradients, ElementsAre(4, 32, 16, 0, 9));
}

TEST(LinearTest, SeveralLogitsAreSeveralColumns) {
  constexpr std::size_t kDim = 3;
  const Vector weights = RandomVector(kRows * kDim, 5);
  const Vector dlogits = RandomVector(kExamples * kDim, 6);
  Vector logits(kExamples * kDim);
  AddLinearTerms(MultiValued(), AllExamples(MultiValued()), weights, kDim, logits);
  Vector gradients(kRows * kDim);
  AddLinearGradient(MultiValued(), dlogits, kDim, gradients);
  for (std::size_t k = 0; k < kDim; ++k) {
    const auto column = [k](const Vector& matrix) {
      Vector values;
      for (std::size_t i = k; i < matrix.size(); i += kDim) values.push_back(matrix[i]);
      return values;
    };
    Vector one(kExamples);
    AddLinearTerms(MultiValued(), AllExamples(MultiValued()), column(weights), 1, one);
    EXPECT_EQ(column(logits), one);
    one.assign(kRows, 0.0f);
    AddLinearGradient(MultiValued(), column(dlogits), 1, one);
    EXPECT_EQ(column(gradients), one);
  }
}

TEST(LinearTest, NumbersAreMultiplied) {
  const Vector numbers = {1, 2, 3, -1, 0.5f, 4};  // [3, 2]
  const Vector weights = {1, 10, 2, 20};          // [2, 2]
  Vector logits(6, 100.0f);
  AddProducts(numbers, weights, 2, logits);
  EXPECT_THAT(logits, ElementsAre(105, 150, 101, 110, 108.5f, 185));
  Vector gradients(4, 1.0f);
  AddOuterProducts(numbers, Vector{1, 2, 0, 1, -1, 0}, 2, gradients);
  EXPECT_THAT(gradients, ElementsAre(1.5f, 6, -1, 4));
}

TEST(LinearTest, IsASumOfRowsAndItsGradient) {
  constexpr std::int64_t kDim = 2;
  const Vector weights = RandomVector(kRows * kDim, 4);
  const Vector dlogits = RandomVector(kExamples * kDim, 7);
  for (const LookupUse& use : AllUses()) {
    Vector logits(kExamples * kDim);
    Vector combined(kExamples * kDim);
    AddLinearTerms(use, AllExamples(use), weights, kDim, logits);
    CombineRows(use, AllExamples(use), weights, Combiner::kSum, View(combined, kExamples, kDim));
    EXPECT_THAT(logits, ElementsAreArray(combined));
    Vector gradients(kRows * kDim);
    Vector combined_gradients(kRows * kDim);
    AddLinearGradient(use, dlogits, kDim, gradients);
    AddCombinedGradient(use, {dlogits.data(), kExamples, kDim, kDim}, Combiner::kSum,
                        combined_gradients);
    EXPECT_THAT(gradients, ElementsAreArray(combined_gradients));
  }
}

TEST(DeduplicatorTest, GivesPositionsInOrderOfFirstUse) {
  Deduplicator deduplicator;
  std::vector<std::int64_t> distinct = {77};
  deduplicator.Start(1000, &distinct);
  EXPECT_THAT(distinct, IsEmpty());
  EXPECT_EQ(deduplicator.Position(999), 0);
  EXPECT_EQ(deduplicator.Position(0), 1);
  EXPECT_EQ(deduplicator.Position(-1), -1);
  EXPECT_EQ(deduplicator.Position(999), 0);
  EXPECT_EQ(deduplicator.Position(5), 2);
  EXPECT_EQ(deduplicator.Position(0), 1);
  EXPECT_THAT(distinct, ElementsAre(999, 0, 5));
}

TEST(DeduplicatorTest, RoundsDoNotSeeEachOther) {
  Deduplicator deduplicator;
  std::vector<std::int64_t> first;
  std::vector<std::int64_t> second;
  deduplicator.Start(10, &first);
  EXPECT_EQ(deduplicator.Position(3), 0);
  EXPECT_EQ(deduplicator.Position(4), 1);
  deduplicator.Start(10, &second);
  EXPECT_EQ(deduplicator.Position(4), 0);
  EXPECT_THAT(first, ElementsAre(3, 4));
  EXPECT_THAT(second, ElementsAre(4));
}

TEST(DeduplicatorTest, EqualsAMapWhileItGrows) {
  std::mt19937_64 random(5);
  Deduplicator deduplicator;
  for (const std::int64_t num_rows : {1, 100, 5000, 1'000'000'000}) {
    std::vector<std::int64_t> distinct;
    std::map<std::int64_t, std::int32_t> expected;
    deduplicator.Start(num_rows, &distinct);
    for (int i = 0; i < 20000; ++i) {
      const auto id = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(num_rows));
      const auto next = static_cast<std::int32_t>(expected.size());
      ASSERT_EQ(deduplicator.Position(id), expected.try_emplace(id, next).first->second);
    }
    ASSERT_EQ(distinct.size(), expected.size());
    for (const auto& [id, position] : expected) {
      EXPECT_EQ(distinct[static_cast<std::size_t>(position)], id);
    }
  }
}

TEST(DeduplicatorTest, TheLargestIdIsOne) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  Deduplicator deduplicator;
  std::vector<std::int64_t> distinct;
  deduplicator.Start(kMax, &distinct);
  EXPECT_EQ(deduplicator.Position(kMax - 1), 0);
  EXPECT_THAT(distinct, ElementsAre(kMax - 1));
}

}  // namespace
}  // namespace dime::ops
