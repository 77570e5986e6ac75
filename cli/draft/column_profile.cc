#include "cli/draft/column_profile.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "cli/draft/text.h"
#include "runtime/base/text.h"
#include "runtime/records/csv.h"

namespace dime::cli {
namespace {

constexpr std::int64_t kFewValues = 20;  // Too few to say that all of them differ.

void AddValue(std::string_view value, ColumnProfile* column) {
  if (value.empty()) {
    ++column->num_missing;
    return;
  }
  ++column->num_values;
  column->num_bytes += static_cast<std::int64_t>(value.size());
  column->num_not_there += MeansMissing(value) ? 1 : 0;
  column->num_integers += IsInteger(value) ? 1 : 0;
  if (const std::optional<float> number = AsNumber(value)) {
    ++column->num_numbers;
    column->ascends =
        column->ascends && (column->numbers.empty() || *number > column->numbers.back());
    column->numbers.push_back(*number);
  }
  const auto seen = column->counts.find(value);
  if (seen != column->counts.end()) {
    ++seen->second;
  } else if (column->counts.size() < kMaxDistinct) {
    column->counts.emplace(value, 1);
  } else {
    column->has_more_distinct = true;
  }
}

std::string WhatIsWrong(const records::CsvReader& reader, std::size_t num_columns) {
  const std::string reason =
      reader.error().empty()
          ? fmt::format("{} columns, not {}", reader.fields().size(), num_columns)
          : reader.error();
  return fmt::format("line {}: {}", reader.line() + 1, reason);
}

}  // namespace

bool ColumnProfile::IsAllDistinct() const {
  const bool all_seen_once =
      std::ranges::all_of(counts, [](const auto& entry) { return entry.second == 1; });
  return num_values > kFewValues && all_seen_once;
}

double ColumnProfile::ShareOfSingles() const {
  const auto singles =
      std::ranges::count_if(counts, [](const auto& entry) { return entry.second == 1; });
  return counts.empty() ? 0 : static_cast<double>(singles) / static_cast<double>(counts.size());
}

TableProfile ProfileTable(std::string_view text, const TableFormat& format, std::int64_t max_rows) {
  TableProfile table;
  table.columns.resize(format.num_columns);
  records::CsvReader reader(text, {.separator = format.separator});
  if (format.has_header) reader.Next();
  while (table.num_rows < max_rows && reader.Next()) {
    if (!reader.error().empty() || reader.fields().size() != format.num_columns) {
      if (table.num_bad_rows++ == 0) table.first_bad_row = WhatIsWrong(reader, format.num_columns);
      continue;
    }
    ++table.num_rows;
    for (std::size_t i = 0; i < format.num_columns; ++i) {
      AddValue(base::Trimmed(reader.fields()[i]), &table.columns[i]);
    }
  }
  for (ColumnProfile& column : table.columns) std::ranges::sort(column.numbers);
  return table;
}

bool MeansMissing(std::string_view value) {
  constexpr std::string_view kWords[] = {"?",    "-",    "NA",   "N/A", "n/a", "#N/A",
                                         "null", "NULL", "None", "nan", "NaN", "NAN"};
  return std::ranges::find(kWords, value) != std::end(kWords);
}

}  // namespace dime::cli
