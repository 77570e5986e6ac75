#include <array>
#include <cstddef>

#include "cli/data/synthetic/census_amounts.h"
#include "cli/data/synthetic/census_tables.h"
#include "cli/data/synthetic/random_words.h"
#include "cli/data/synthetic/sampler.h"
#include "cli/data/synthetic/synthetic_rows.h"

namespace dime::cli {
namespace {

enum Column {
  kAge,
  kWorkclass,
  kFnlwgt,
  kEducation,
  kEducationNum,
  kMaritalStatus,
  kOccupation,
  kRelationship,
  kRace,
  kGender,
  kCapitalGain,
  kCapitalLoss,
  kHoursPerWeek,
  kNativeCountry,
  kIncomeBracket,
  kNumColumns
};

constexpr std::size_t kWordsPerDraw = 2;
constexpr std::size_t kNumWords = kWordsPerDraw * kNumColumns;
using Words = RandomWords<kNumWords>;

// Weights by the first of the ascending bounds that a value is below.
template <std::size_t N>
int WeightBelow(const std::array<int, N>& bounds, const std::array<int, N + 1>& weights,
                int value) {
  std::size_t band = 0;
  while (band < N && value >= bounds[band]) ++band;
  return weights[band];
}

int WeightOfAge(int age) {
  constexpr std::array kBounds = {18, 25, 30, 35, 40, 45, 50, 55, 60, 65};
  constexpr std::array kWeights = {-553, -484, -207, -59, 20, 61, 118, 141, 90, 38, -92};
  return WeightBelow(kBounds, kWeights, age);
}

int WeightOfHours(int hours) {
  constexpr std::array kBounds = {30, 40, 41, 50};
  constexpr std::array kWeights = {-212, -82, -18, 87, 110};
  return WeightBelow(kBounds, kWeights, hours);
}

int WeightOfGain(int dollars) {
  constexpr std::array kBounds = {1, 5000};
  constexpr std::array kWeights = {-151, -200, 732};
  return WeightBelow(kBounds, kWeights, dollars);
}

int WeightOfLoss(int dollars) {
  constexpr std::array kBounds = {1, 1800};
  constexpr std::array kWeights = {-51, -197, 425};
  return WeightBelow(kBounds, kWeights, dollars);
}

std::size_t AgeBand(int age) { return age < 25 ? 0 : age < 35 ? 1 : age < 50 ? 2 : 3; }

std::size_t EducationBand(int education) {
  constexpr int kHighSchool = 8;  // Positions in kEducations.
  constexpr int kBachelors = 12;
  return education < kHighSchool    ? 0
         : education == kHighSchool ? 1
         : education < kBachelors   ? 2
                                    : 3;
}

Sampler SamplerOf(std::span<const census::WeightedValue> values) {
  std::vector<int> counts;
  for (const census::WeightedValue& value : values) counts.push_back(value.count);
  return Sampler(counts);
}

Sampler SamplerOf(std::span<const census::Amount> amounts) {
  std::vector<Block> blocks;
  for (const auto& [dollars, count] : amounts) {
    blocks.push_back({.first = dollars, .weight = double(count)});
  }
  return Sampler(blocks);
}

Sampler SamplerBetween(std::span<const int> quantiles) {
  std::vector<Block> blocks;
  for (std::size_t i = 1; i < quantiles.size(); ++i) {
    blocks.push_back({.first = quantiles[i - 1],
                      .size = static_cast<std::uint32_t>(quantiles[i] - quantiles[i - 1]),
                      .weight = 1});
  }
  return Sampler(blocks);
}

// A sampler for each gender and each of the groups.
template <std::size_t kGroups, std::size_t kValues>
std::vector<Sampler> SamplersOf(const int (&counts)[2][kGroups][kValues]) {
  std::vector<Sampler> samplers;
  for (const auto& by_group : counts) {
    for (const auto& by_value : by_group) samplers.emplace_back(std::span<const int>(by_value));
  }
  return samplers;
}

Cell Integer(std::int32_t value) { return {.kind = Cell::Kind::kInteger, .integer = value}; }
Cell Text(std::string_view text) { return {.kind = Cell::Kind::kText, .text = text}; }

// As in the census, marital status depends on gender and age, the relationship on gender and
// marital status, the occupation on gender and education; the rest are independent of each other.
class CensusRows : public SyntheticRows {
 public:
  explicit CensusRows(const CensusSpec& spec)
      : truth_(SampleScores([this](std::uint64_t row) { return SampleScore(row); }),
               spec.positives) {}

  [[nodiscard]] const std::vector<std::string>& columns() const override { return columns_; }
  [[nodiscard]] std::string_view separator() const override { return ", "; }

  RowTruth Draw(std::uint64_t seed_key, std::uint64_t row, std::span<Cell> cells) const override {
    const Words words(seed_key, row);
    RowTruth truth;
    truth.score = truth_.Final(DrawFeatures(words, cells));
    truth.is_positive = truth_.IsPositive(truth.score, words[kWordsPerDraw * kIncomeBracket]);
    cells[kIncomeBracket] = Text(truth.is_positive ? ">50K" : "<=50K");
    return truth;
  }

 private:
  [[nodiscard]] int SampleScore(std::uint64_t row) const {
    std::array<Cell, kNumColumns> cells;
    return DrawFeatures(Words(kSampleKey, row), cells);
  }

  static std::int32_t DrawFrom(const Sampler& sampler, const Words& words, Column column) {
    return sampler.Draw(words[kWordsPerDraw * column], words[kWordsPerDraw * column + 1]);
  }

  // Fills a cell and returns which of the values stands there.
  template <std::size_t N>
  static std::size_t DrawText(const Sampler& sampler, const census::WeightedValue (&values)[N],
                              const Words& words, Column column, std::span<Cell> cells) {
    const auto drawn = static_cast<std::size_t>(DrawFrom(sampler, words, column));
    cells[column] = Text(values[drawn].text);
    return drawn;
  }

  static std::int32_t DrawNumber(const Sampler& sampler, const Words& words, Column column,
                                 std::span<Cell> cells) {
    const std::int32_t drawn = DrawFrom(sampler, words, column);
    cells[column] = Integer(drawn);
    return drawn;
  }

  // All cells but the label's; returns the sum of their weights.
  int DrawFeatures(const Words& words, std::span<Cell> cells) const {
    const int age = census::kFirstAge + DrawFrom(ages_, words, kAge);
    const int hours = census::kFirstHours + DrawFrom(hours_, words, kHoursPerWeek);
    cells[kAge] = Integer(age);
    cells[kHoursPerWeek] = Integer(hours);
    const int gain = DrawNumber(gains_, words, kCapitalGain, cells);
    const int loss = DrawNumber(losses_, words, kCapitalLoss, cells);
    DrawNumber(fnlwgt_, words, kFnlwgt, cells);
    DrawText(races_, census::kRaces, words, kRace, cells);
    DrawText(countries_, census::kCountries, words, kNativeCountry, cells);

    const std::size_t gender = DrawText(genders_, census::kGenders, words, kGender, cells);
    const std::size_t education =
        DrawText(educations_, census::kEducations, words, kEducation, cells);
    cells[kEducationNum] = Integer(static_cast<std::int32_t>(education) + 1);
    const std::size_t workclass =
        DrawText(workclasses_, census::kWorkclasses, words, kWorkclass, cells);
    const std::size_t marital_status =
        DrawText(Of(marital_statuses_, gender, AgeBand(age)), census::kMaritalStatuses, words,
                 kMaritalStatus, cells);
    DrawText(Of(relationships_, gender, marital_status), census::kRelationships, words,
             kRelationship, cells);
    const int weight_of_occupation =
        DrawOccupation(gender, static_cast<int>(education), words, cells);

    return WeightOfAge(age) + WeightOfHours(hours) + WeightOfGain(gain) + WeightOfLoss(loss) +
           census::kGenders[gender].weight + census::kEducations[education].weight +
           census::kWorkclasses[workclass].weight +
           census::kMaritalStatuses[marital_status].weight + weight_of_occupation;
  }

  // Nobody's is known whose work is not.
  int DrawOccupation(std::size_t gender, int education, const Words& words,
                     std::span<Cell> cells) const {
    constexpr int kWeightOfUnknown = -46;
    const std::size_t drawn = DrawText(Of(occupations_, gender, EducationBand(education)),
                                       census::kOccupations, words, kOccupation, cells);
    const std::string_view workclass = cells[kWorkclass].text;
    if (workclass != "?" && workclass != "Never-worked") return census::kOccupations[drawn].weight;
    cells[kOccupation] = Text("?");
    return kWeightOfUnknown;
  }

  static const Sampler& Of(const std::vector<Sampler>& samplers, std::size_t gender,
                           std::size_t group) {
    return samplers[gender * (samplers.size() / 2) + group];
  }

  const std::vector<std::string> columns_ = {"age",
                                             "workclass",
                                             "fnlwgt",
                                             "education",
                                             "education_num",
                                             "marital_status",
                                             "occupation",
                                             "relationship",
                                             "race",
                                             "gender",
                                             "capital_gain",
                                             "capital_loss",
                                             "hours_per_week",
                                             "native_country",
                                             "income_bracket"};
  const Sampler ages_{std::span<const int>(census::kAgeCounts)};
  const Sampler hours_{std::span<const int>(census::kHoursCounts)};
  const Sampler fnlwgt_ = SamplerBetween(census::kFnlwgtQuantiles);
  const Sampler gains_ = SamplerOf(census::kCapitalGains);
  const Sampler losses_ = SamplerOf(census::kCapitalLosses);
  const Sampler workclasses_ = SamplerOf(census::kWorkclasses);
  const Sampler educations_ = SamplerOf(census::kEducations);
  const Sampler races_ = SamplerOf(census::kRaces);
  const Sampler genders_ = SamplerOf(census::kGenders);
  const Sampler countries_ = SamplerOf(census::kCountries);
  const std::vector<Sampler> marital_statuses_ = SamplersOf(census::kMaritalStatusCounts);
  const std::vector<Sampler> relationships_ = SamplersOf(census::kRelationshipCounts);
  const std::vector<Sampler> occupations_ = SamplersOf(census::kOccupationCounts);
  const PlantedTruth truth_;  // Last: it takes a sample of rows.
};

}  // namespace

std::unique_ptr<const SyntheticRows> MakeCensusRows(const CensusSpec& spec) {
  return std::make_unique<CensusRows>(spec);
}

}  // namespace dime::cli
