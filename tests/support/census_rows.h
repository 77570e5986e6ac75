// tests/support/census_rows.h - made-up rows like the census data's: the same for a seed on every
// machine.
//
// As in the real files every field but the first starts with a blank, " ?" stands for what is not
// known, and the label depends on the other fields, so that a model can learn it.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <fstream>
#include <random>
#include <string>

namespace dime::testing {

class CensusRowMaker {
 public:
  explicit CensusRowMaker(std::uint64_t seed) : random_(seed) {}

  // One row, without its line end.
  std::string Next() {
    static constexpr const char* kWorkclasses[] = {"Private", "State-gov", "Self-emp-inc", "?"};
    static constexpr struct {
      const char* name;
      int years;
    } kEducations[] = {{"11th", 7}, {"HS-grad", 9}, {"Bachelors", 13}, {"Doctorate", 16}};
    static constexpr const char* kMaritalStatuses[] = {"Never-married", "Married-civ-spouse",
                                                       "Divorced", "Widowed"};
    static constexpr const char* kOccupations[] = {"Sales", "Craft-repair", "Prof-specialty",
                                                   "Machine-op-inspct", "?"};
    static constexpr const char* kRelationships[] = {"Husband", "Wife", "Not-in-family"};
    static constexpr const char* kRaces[] = {"White", "Black", "Other"};
    static constexpr const char* kGenders[] = {"Female", "Male"};
    static constexpr const char* kCountries[] = {"United-States", "Mexico", "?"};

    const int age = 17 + Below(60);
    const auto& education = kEducations[Below(4)];
    const char* const marital_status = Pick(kMaritalStatuses);
    const int capital_gain = Below(10) == 0 ? 1000 * Below(20) : 0;
    const int score = age / 10 + education.years + (marital_status == kMaritalStatuses[1] ? 4 : 0) +
                      capital_gain / 1000 + Below(4);
    return fmt::format("{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}", age,
                       Pick(kWorkclasses), 10000 + Below(400000), education.name, education.years,
                       marital_status, Pick(kOccupations), Pick(kRelationships), Pick(kRaces),
                       Pick(kGenders), capital_gain, Below(10) == 0 ? 100 * Below(30) : 0,
                       20 + Below(40), Pick(kCountries), score > 20 ? ">50K" : "<=50K");
  }

 private:
  int Below(int bound) { return static_cast<int>(random_() % static_cast<std::uint64_t>(bound)); }
  template <std::size_t N>
  const char* Pick(const char* const (&values)[N]) {
    return values[Below(static_cast<int>(N))];
  }

  std::mt19937_64 random_;
};

inline std::string CensusRows(int num_rows, std::uint64_t seed = 1) {
  CensusRowMaker maker(seed);
  std::string rows;
  for (int i = 0; i < num_rows; ++i) rows += maker.Next() + "\n";
  return rows;
}

// Writes rows to `path` and returns it.
inline std::string WriteCensusRows(const std::string& path, int num_rows, std::uint64_t seed = 1) {
  std::ofstream(path) << CensusRows(num_rows, seed);
  return path;
}

}  // namespace dime::testing
