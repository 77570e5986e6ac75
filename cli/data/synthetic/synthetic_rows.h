// cli/data/synthetic/synthetic_rows.h - rows that are made up: what they are made of, row by row.
//
// Row r is a function of the specification, the seed and r alone: the same bytes on any number of
// threads and on any processor. The planted truth belongs to the specification, not to the seed:
// rows of one seed can train a model that rows of another one test.
// Threads: const methods from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/data/synthetic/planted_truth.h"
#include "runtime/base/status.h"

namespace dime::cli {

struct Cell {
  enum class Kind { kMissing, kInteger, kText, kHex };

  Kind kind = Kind::kMissing;
  std::int32_t integer = 0;    // kInteger
  std::uint32_t hex = 0;       // kHex: eight digits
  std::string_view text = {};  // kText; of static life
};

struct RowTruth {
  int score = 0;  // Final, as PlantedTruth has it.
  bool is_positive = false;
};

class SyntheticRows {
 public:
  virtual ~SyntheticRows() = default;

  // Names by column, the label's included.
  [[nodiscard]] virtual const std::vector<std::string>& columns() const = 0;
  // What stands between two cells of a CSV row. All but its first byte belongs to the cell after
  // it, as CSV readers see it.
  [[nodiscard]] virtual std::string_view separator() const = 0;

  // `seed_key`: KeyOfSeed(seed). `cells`: one a column.
  virtual RowTruth Draw(std::uint64_t seed_key, std::uint64_t row, std::span<Cell> cells) const = 0;
};

[[nodiscard]] std::uint64_t KeyOfSeed(std::uint64_t seed);

// "census", or "clicks,zipf=1.2,positives=0.03": a name and settings. kInvalidArgument says which
// names and settings there are. Takes a few hundredths of a second: tables are set up.
absl::StatusOr<std::unique_ptr<const SyntheticRows>> MakeSyntheticRows(std::string_view spec);

struct CensusSpec {
  double positives = 0.2408;  // As in the census.
};
[[nodiscard]] std::unique_ptr<const SyntheticRows> MakeCensusRows(const CensusSpec& spec);

struct ClicksSpec {
  double zipf = 1.1;         // The exponent of Zipf's law for the ids of categories.
  double positives = 0.256;  // As in Criteo's set of 2014.
};
[[nodiscard]] std::unique_ptr<const SyntheticRows> MakeClickRows(const ClicksSpec& spec);

}  // namespace dime::cli
