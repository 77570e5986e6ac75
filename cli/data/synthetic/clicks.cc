#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <limits>

#include "cli/data/synthetic/random_words.h"
#include "cli/data/synthetic/sampler.h"
#include "cli/data/synthetic/synthetic_rows.h"

namespace dime::cli {
namespace {

constexpr std::int32_t kMissing = std::numeric_limits<std::int32_t>::min();

// Counts with a heavy tail: k is as likely as (k + 1 + median)^-2, so that half of them are up to
// the median and the largest are thousands of times that.
struct Number {
  double missing = 0;    // Share of rows.
  double minus_one = 0;  // Likewise: a code, no count.
  std::int32_t median = 0;
  std::int32_t max = 0;
  int weight = 0;  // Of every doubling of the count, in units of the score.
  int missing_weight = 0;
};

// Missing values, medians and maxima as in Criteo's set of 2014 (the Kaggle display advertising
// challenge), roughly; the weights are made up.
constexpr Number kNumbers[] = {
    {.missing = 0.45, .median = 1, .max = 5'775, .weight = 30, .missing_weight = -60},
    {.minus_one = 0.10, .median = 3, .max = 257'675, .weight = 18},
    {.missing = 0.21, .median = 6, .max = 65'535, .weight = -16, .missing_weight = -30},
    {.missing = 0.22, .median = 4, .max = 969, .weight = -22, .missing_weight = 25},
    {.missing = 0.03, .median = 2'813, .max = 23'159'456, .weight = -14},
    {.missing = 0.22, .median = 32, .max = 431'037, .weight = -20, .missing_weight = 40},
    {.missing = 0.04, .median = 3, .max = 56'311, .weight = 34, .missing_weight = -80},
    {.missing = 0.001, .median = 7, .max = 6'047, .weight = 12},
    {.missing = 0.04, .median = 38, .max = 29'019, .weight = -10},
    {.missing = 0.45, .median = 0, .max = 11, .weight = 70, .missing_weight = -40},
    {.missing = 0.04, .median = 1, .max = 231, .weight = 36},
    {.missing = 0.76, .median = 0, .max = 4'008, .weight = 20},
    {.missing = 0.22, .median = 4, .max = 7'393, .weight = -28, .missing_weight = 30},
};
constexpr std::size_t kNumNumbers = std::size(kNumbers);

struct Category {
  std::int32_t num_ids = 0;
  double missing = 0;
};

// Cardinalities and missing values of the same set.
constexpr Category kCategories[] = {
    {1'460, 0},         {583, 0},        {10'131'227, 0.035},
    {2'202'608, 0.035}, {305, 0},        {24, 0.12},
    {12'517, 0},        {633, 0},        {3, 0},
    {93'145, 0},        {5'683, 0},      {8'351'593, 0.035},
    {3'194, 0},         {27, 0},         {14'992, 0},
    {5'461'306, 0.035}, {10, 0},         {5'652, 0},
    {2'173, 0.44},      {4, 0.44},       {7'046'547, 0.035},
    {18, 0.76},         {15, 0},         {286'181, 0.035},
    {105, 0.44},        {142'572, 0.44},
};
constexpr std::size_t kNumCategories = std::size(kCategories);
constexpr std::size_t kFirstCategory = 1 + kNumNumbers;
constexpr std::size_t kNumClickColumns = kFirstCategory + kNumCategories;

// The two that also say something together.
constexpr std::size_t kCrossedOne = 5;    // C6
constexpr std::size_t kCrossedOther = 8;  // C9

constexpr std::size_t kWordsPerClickDraw = 2;
constexpr std::size_t kNumClickWords = kWordsPerClickDraw * kNumClickColumns;
using ClickWords = RandomWords<kNumClickWords>;

// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014: SplitMix64's
// mixer.
constexpr std::uint64_t Mix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// MurmurHash3's finalizer: another id, another text.
constexpr std::uint32_t Mix32(std::uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85ebca6b;
  x = (x ^ (x >> 13)) * 0xc2b2ae35;
  return x ^ (x >> 16);
}

// A weight from -spread to spread, those near 0 more likely, that is a function of the name.
int MadeUpWeight(std::uint64_t column, std::uint64_t id, int spread) {
  constexpr int kHalf = 256;
  const std::uint64_t bits = Mix64(Mix64(column) + id);
  const int sum = static_cast<int>(bits % kHalf) + static_cast<int>((bits >> 32) % kHalf);
  return spread * (sum - kHalf) / kHalf;
}

// Half of the ids that a row holds are among these; the others are seen too seldom for a model to
// learn much of them, and weigh nothing.
constexpr std::int32_t kNumWeightedIds = 300;

std::vector<std::int16_t> WeightsOfIds(std::size_t category) {
  constexpr int kSpread = 200;
  std::vector<std::int16_t> weights;
  for (std::int32_t id = 0; id < std::min(kCategories[category].num_ids, kNumWeightedIds); ++id) {
    weights.push_back(
        static_cast<std::int16_t>(MadeUpWeight(category, static_cast<std::uint64_t>(id), kSpread)));
  }
  return weights;
}

Sampler SamplerOf(const Number& number) {
  std::vector<Block> blocks = PowerLawBlocks(std::int64_t{number.max} + 1, 2, number.median,
                                             1 - number.missing - number.minus_one);
  blocks.push_back({.first = -1, .weight = number.minus_one});
  blocks.push_back({.first = kMissing, .weight = number.missing});
  return Sampler(blocks);
}

Sampler SamplerOf(const Category& category, double zipf) {
  std::vector<Block> blocks =
      PowerLawBlocks(category.num_ids, zipf, /*shift=*/0, 1 - category.missing);
  blocks.push_back({.first = kMissing, .weight = category.missing});
  return Sampler(blocks);
}

// How often `count` doubles from 0: 0, 1 to 2, 3 to 6, ... -1 stands below all.
int Doublings(std::int32_t count) {
  return count < 0 ? -1 : std::bit_width(static_cast<std::uint32_t>(count) + 1) - 1;
}

class ClickRows : public SyntheticRows {
 public:
  explicit ClickRows(const ClicksSpec& spec)
      : categories_(CategorySamplers(spec.zipf)),
        truth_(SampleScores([this](std::uint64_t row) { return SampleScore(row); }),
               spec.positives) {}

  [[nodiscard]] const std::vector<std::string>& columns() const override { return columns_; }
  [[nodiscard]] std::string_view separator() const override { return "\t"; }

  RowTruth Draw(std::uint64_t seed_key, std::uint64_t row, std::span<Cell> cells) const override {
    const ClickWords words(seed_key, row);
    RowTruth truth;
    truth.score = truth_.Final(DrawFeatures(words, cells));
    truth.is_positive = truth_.IsPositive(truth.score, words[0]);
    cells[0] = {.kind = Cell::Kind::kInteger, .integer = truth.is_positive ? 1 : 0};
    return truth;
  }

 private:
  static std::vector<std::string> ColumnNames() {
    std::vector<std::string> names = {"label"};
    for (std::size_t i = 1; i <= kNumNumbers; ++i) names.push_back(fmt::format("I{}", i));
    for (std::size_t i = 1; i <= kNumCategories; ++i) names.push_back(fmt::format("C{}", i));
    return names;
  }

  static std::vector<Sampler> NumberSamplers() {
    std::vector<Sampler> samplers;
    for (const Number& number : kNumbers) samplers.push_back(SamplerOf(number));
    return samplers;
  }

  static std::vector<Sampler> CategorySamplers(double zipf) {
    std::vector<Sampler> samplers;
    for (const Category& category : kCategories) samplers.push_back(SamplerOf(category, zipf));
    return samplers;
  }

  static std::vector<std::vector<std::int16_t>> CategoryWeights() {
    std::vector<std::vector<std::int16_t>> weights;
    for (std::size_t i = 0; i < kNumCategories; ++i) weights.push_back(WeightsOfIds(i));
    return weights;
  }

  [[nodiscard]] int SampleScore(std::uint64_t row) const {
    std::array<Cell, kNumClickColumns> cells;
    return DrawFeatures(ClickWords(kSampleKey, row), cells);
  }

  // All cells but the label's; returns the sum of their weights.
  int DrawFeatures(const ClickWords& words, std::span<Cell> cells) const {
    int score = 0;
    for (std::size_t i = 0; i < kNumNumbers; ++i) {
      const std::size_t column = 1 + i;
      const std::int32_t value = numbers_[i].Draw(words[kWordsPerClickDraw * column],
                                                  words[kWordsPerClickDraw * column + 1]);
      const bool is_missing = value == kMissing;
      cells[column].kind = is_missing ? Cell::Kind::kMissing : Cell::Kind::kInteger;
      cells[column].integer = value;
      score += is_missing ? kNumbers[i].missing_weight : kNumbers[i].weight * Doublings(value);
    }
    std::array<std::int32_t, kNumCategories> ids;
    for (std::size_t i = 0; i < kNumCategories; ++i) {
      const std::size_t column = kFirstCategory + i;
      ids[i] = categories_[i].Draw(words[kWordsPerClickDraw * column],
                                   words[kWordsPerClickDraw * column + 1]);
      const auto id = static_cast<std::uint32_t>(ids[i]);
      cells[column].kind = ids[i] == kMissing ? Cell::Kind::kMissing : Cell::Kind::kHex;
      cells[column].hex = Mix32(id ^ hex_keys_[i]);
      if (id < weights_[i].size()) score += weights_[i][id];
    }
    return score + CrossWeight(ids[kCrossedOne], ids[kCrossedOther]);
  }

  static int CrossWeight(std::int32_t one, std::int32_t other) {
    constexpr int kSpread = 400;
    if (one == kMissing || other == kMissing) return 0;
    return MadeUpWeight(kNumCategories,
                        static_cast<std::uint64_t>(one) << 32 | static_cast<std::uint64_t>(other),
                        kSpread);
  }

  static std::array<std::uint32_t, kNumCategories> HexKeys() {
    std::array<std::uint32_t, kNumCategories> keys;
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<std::uint32_t>(Mix64(i));
    return keys;
  }

  const std::vector<std::string> columns_ = ColumnNames();
  const std::array<std::uint32_t, kNumCategories> hex_keys_ = HexKeys();
  const std::vector<std::vector<std::int16_t>> weights_ = CategoryWeights();
  const std::vector<Sampler> numbers_ = NumberSamplers();
  const std::vector<Sampler> categories_;
  const PlantedTruth truth_;  // Last: it takes a sample of rows.
};

}  // namespace

std::unique_ptr<const SyntheticRows> MakeClickRows(const ClicksSpec& spec) {
  return std::make_unique<ClickRows>(spec);
}

}  // namespace dime::cli
