#include "cli/draft/column_plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "cli/draft/text.h"

namespace dime::cli {
namespace {

constexpr std::size_t kMaxVocabulary = 50;      // More values are hashed.
constexpr std::size_t kMaxClasses = 1000;       // Of a label of texts.
constexpr std::size_t kMaxIntegerClasses = 20;  // A label of more integers is a number.
constexpr std::size_t kMaxValueBuckets = 12;    // Up to so many numbers get a bucket each.
constexpr double kLargestPlainNumber = 100;     // Larger ones would drown the others.
constexpr std::int64_t kLongText = 64;          // Bytes, on average.

// "1 value", "7 values".
std::string Values(std::size_t count) {
  return fmt::format("{} value{}", count, count == 1 ? "" : "s");
}

std::size_t NumDistinct(const ColumnProfile& column) { return column.counts.size(); }

// Letters, digits and _ . - alone, the first no dot or dash.
std::string AllowedName(std::string_view text) {
  constexpr std::size_t kMaxBytes = 150;  // Longer names are made of it.
  std::string name;
  for (const char c : text.substr(0, kMaxBytes)) {
    const bool is_letter_or_digit =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const bool is_allowed =
        is_letter_or_digit || c == '_' || (!name.empty() && (c == '.' || c == '-'));
    name += is_allowed ? c : '_';
  }
  return name;
}

// Columns that are made of others take their names and one of these.
bool IsNameOfMadeColumn(std::string_view name) {
  return name.ends_with("_bucketized") || name.ends_with("_indicator") ||
         name.ends_with("_embedding");
}

bool AllArePlainText(const ColumnProfile& column) {
  return std::ranges::all_of(column.counts,
                             [](const auto& entry) { return IsPlainText(entry.first); });
}

// The values from the most frequent to the rarest.
std::vector<std::string> ByFrequency(const ColumnProfile& column) {
  std::vector<std::pair<std::string, std::int64_t>> entries(column.counts.begin(),
                                                            column.counts.end());
  std::ranges::stable_sort(entries, std::greater(), [](const auto& entry) { return entry.second; });
  std::vector<std::string> values;
  for (auto& [value, count] : entries) values.push_back(std::move(value));
  return values;
}

float AtQuantile(const std::vector<float>& sorted, int numerator, int denominator) {
  const std::size_t last = sorted.size() - 1;
  return sorted[last * static_cast<std::size_t>(numerator) / static_cast<std::size_t>(denominator)];
}

// Every value but the least, of few; else the deciles. A value that stands for a third of all rows
// or more (often 0) has its own bucket, and the deciles are those of the rest.
std::vector<float> Boundaries(const std::vector<float>& sorted) {
  constexpr int kParts = 10;
  std::set<float> boundaries(sorted.begin(), sorted.end());
  if (boundaries.size() > kMaxValueBuckets) {
    std::vector<float> rest;
    std::set<float> frequent;
    for (auto run = sorted.begin(); run != sorted.end();) {
      const auto end = std::upper_bound(run, sorted.end(), *run);
      if (static_cast<std::size_t>(end - run) * 3 >= sorted.size()) {
        frequent.insert(*run);
        if (end != sorted.end()) frequent.insert(*end);
      } else {
        rest.insert(rest.end(), run, end);
      }
      run = end;
    }
    boundaries = std::move(frequent);
    for (int i = 1; i < kParts && !rest.empty(); ++i) {
      boundaries.insert(AtQuantile(rest, i, kParts));
    }
  }
  boundaries.erase(sorted.front());
  return {boundaries.begin(), boundaries.end()};
}

// A number below all others, which a missing value is read as.
double BelowAll(const std::vector<float>& sorted) {
  constexpr double kSmallestStep = 1e-6;  // Of its size, which a float still tells apart.
  const double least = sorted.front();
  return std::floor(least - std::max(1.0, std::abs(least) * kSmallestStep));
}

void PlanNumber(const ColumnProfile& column, ColumnPlan* plan) {
  plan->type = column.IsAllIntegers() ? "integer" : "float";
  plan->boundaries = Boundaries(column.numbers);
  const auto largest = static_cast<double>(
      std::max(std::abs(column.numbers.front()), std::abs(column.numbers.back())));
  const bool fits = largest <= kLargestPlainNumber;
  const std::string_view buckets =
      NumDistinct(column) <= kMaxValueBuckets ? "a bucket a value" : "buckets by deciles";
  if (!fits && plan->boundaries.empty()) {
    plan->why =
        "its values are too close together for floats, which have 24 bits: subtract what they have "
        "in common, or make it a hash_bucket";
  } else if (column.num_missing > 0) {
    const double missing = BelowAll(column.numbers);
    plan->default_value = fmt::format("{:.0f}", missing);
    if (!IsInteger(plan->default_value)) plan->type = "float";
    plan->boundaries.insert(plan->boundaries.begin(), column.numbers.front());
    plan->use = Use::kBuckets;
    plan->why = fmt::format("{}; missing ones are read as {} and have their own", buckets,
                            plan->default_value);
  } else if (fits) {
    plan->use = Use::kNumber;
    plan->why = fmt::format("small numbers as they are; {} for the wide part", buckets);
  } else {
    plan->use = Use::kBuckets;
    plan->why = fmt::format("{}; up to {:g}, it would drown the others", buckets, largest);
  }
}

// The next of 100, 200, 500, 1000, ... that is not below `least`, a million at most.
std::int64_t RoundUp(double least) {
  constexpr std::int64_t kFewest = 100;
  constexpr std::int64_t kMost = 1'000'000;
  for (std::int64_t power = kFewest; power < kMost; power *= 10) {
    for (const std::int64_t digit : {1, 2, 5}) {
      if (static_cast<double>(power * digit) >= least) return power * digit;
    }
  }
  return kMost;
}

void PlanHash(const ColumnProfile& column, ColumnPlan* plan) {
  constexpr double kRoom = 2;            // Buckets a value, so that few of them meet.
  constexpr double kStillGrowing = 0.3;  // Of the values were seen once: the file has more of them.
  constexpr double kMoreInFile = 10;
  const bool grows = column.has_more_distinct || column.ShareOfSingles() > kStillGrowing;
  const auto distinct = static_cast<double>(NumDistinct(column));
  plan->use = Use::kHash;
  plan->num_buckets = RoundUp(distinct * kRoom * (grows ? kMoreInFile : 1));
  plan->dimension = plan->num_buckets <= 1000 ? 8 : 16;
  const std::string more = column.has_more_distinct ? "more than " : "";
  plan->why = fmt::format("{}{}{}", more, Values(NumDistinct(column)),
                          grows ? ", and surely more in the file" : "");
}

// Whether all values are numbers once a comma stands for the point.
bool HasDecimalCommas(const ColumnProfile& column) {
  return std::ranges::all_of(column.counts, [](const auto& entry) {
    std::string text = entry.first;
    std::ranges::replace(text, ',', '.');
    return AsNumber(text).has_value();
  });
}

void PlanText(const ColumnProfile& column, ColumnPlan* plan) {
  const bool is_mostly_numbers = column.num_numbers + column.num_not_there == column.num_values &&
                                 column.num_numbers > column.num_not_there;
  if (NumDistinct(column) <= kMaxVocabulary && AllArePlainText(column)) {
    plan->use = Use::kVocabulary;
    plan->vocabulary = ByFrequency(column);
    plan->why = fmt::format("{}; others get no id", Values(NumDistinct(column)));
  } else {
    PlanHash(column, plan);
  }
  if (HasDecimalCommas(column)) {
    plan->why += "; numbers with a decimal comma: write a point, and it can be a number";
  }
  if (!is_mostly_numbers) return;
  plan->why += fmt::format(
      "; numbers but for '{}': leave these fields empty in the data, and it can be a number",
      std::ranges::find_if(column.counts, [](const auto& e) {
        return MeansMissing(e.first);
      })->first);
}

// Of two classes, the one that is foretold stands second.
void PutNegativeFirst(std::vector<std::string>* classes) {
  constexpr std::array<std::string_view, 9> kNegatives = {"0",     "no",    "No", "NO", "false",
                                                          "False", "FALSE", "n",  "N"};
  const bool is_swapped = std::ranges::find(kNegatives, (*classes)[1]) != kNegatives.end();
  if (is_swapped) std::swap((*classes)[0], (*classes)[1]);
}

// Whether the values are 0, 1, ... without a gap.
bool CountFromZero(const ColumnProfile& column) {
  for (std::size_t i = 0; i < NumDistinct(column); ++i) {
    if (!column.counts.contains(std::to_string(i))) return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> NameColumns(const TableFormat& format) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (std::size_t i = 0; i < format.num_columns; ++i) {
    std::string name = format.has_header ? AllowedName(format.header[i]) : "";
    if (name.empty()) name = fmt::format("column_{}", i + 1);
    if (IsNameOfMadeColumn(name)) name += '_';
    const std::string stem = name;
    for (int n = 2; !taken.insert(name).second; ++n) name = fmt::format("{}_{}", stem, n);
    names.push_back(std::move(name));
  }
  return names;
}

ColumnPlan PlanFeature(const ColumnProfile& column, const std::string& name) {
  ColumnPlan plan{.name = name, .type = "string"};
  if (column.num_values == 0) {
    plan.why = "it is always empty";
  } else if (NumDistinct(column) == 1 && column.num_missing == 0) {
    plan.why = "it is always the same";
  } else if (column.IsAllIntegers() && column.IsAllDistinct() && column.ascends) {
    plan.why = "it counts the rows, as ids do";
  } else if (column.IsAllNumbers()) {
    PlanNumber(column, &plan);
  } else if (column.IsAllDistinct() && !HasDecimalCommas(column)) {
    plan.why = "no two rows have the same: an id, a name or free text";
  } else if (column.num_bytes > kLongText * column.num_values &&
             NumDistinct(column) > kMaxVocabulary) {
    plan.why = "free text";
  } else {
    PlanText(column, &plan);
  }
  return plan;
}

absl::StatusOr<ColumnPlan> PlanLabel(const ColumnProfile& column, const std::string& name) {
  ColumnPlan plan{.name = name, .type = "string", .use = Use::kLabel};
  const std::size_t distinct = NumDistinct(column);
  if (distinct < 2) {
    return base::OutOfRange(
        "the label '{}' is {}: there is nothing to learn; take more rows, or another column", name,
        distinct == 0 ? "always empty" : fmt::format("always '{}'", column.counts.begin()->first));
  }
  if (column.IsAllIntegers() && distinct <= kMaxIntegerClasses && CountFromZero(column)) {
    plan.type = "integer";
    plan.num_classes = static_cast<std::int64_t>(distinct);
    plan.why = fmt::format("{} classes, 0 to {}", distinct, distinct - 1);
    return plan;
  }
  if (column.IsAllNumbers() && (distinct > kMaxIntegerClasses || !column.IsAllIntegers())) {
    plan.type = column.IsAllIntegers() ? "integer" : "float";
    plan.why = fmt::format("a number, of {}{}: a regressor",
                           column.has_more_distinct ? "more than " : "", Values(distinct));
    return plan;
  }
  if (distinct > kMaxClasses || !AllArePlainText(column)) {
    return base::OutOfRange(
        "the label '{}' has {}{} that are no numbers{}: too many for classes; is it the right "
        "column?",
        name, column.has_more_distinct ? "more than " : "", Values(distinct),
        distinct > kMaxClasses ? "" : ", and some are no text in UTF-8");
  }
  plan.vocabulary = ByFrequency(column);
  if (distinct == 2) PutNegativeFirst(&plan.vocabulary);
  plan.why = distinct == 2 ? fmt::format("2 classes; '{}' is the positive one", plan.vocabulary[1])
                           : fmt::format("{} classes", distinct);
  return plan;
}

}  // namespace dime::cli
