#include "cli/draft/table_format.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>

#include "cli/draft/text.h"
#include "runtime/base/text.h"
#include "runtime/records/csv.h"

namespace dime::cli {
namespace {

using Record = std::vector<std::string>;

constexpr std::size_t kNumProbes = 1000;  // Records that are looked at.
constexpr char kSeparators[] = {',', '\t', ';', '|'};

std::vector<Record> FirstRecords(std::string_view text, char separator) {
  std::vector<Record> records;
  records::CsvReader reader(text, {.separator = separator});
  while (records.size() < kNumProbes && reader.Next()) {
    if (reader.error().empty()) {
      records.emplace_back(reader.fields().begin(), reader.fields().end());
    } else {
      records.emplace_back();
    }
  }
  return records;
}

// The number of fields that most records have, and how many these are.
std::pair<std::size_t, std::size_t> MostFrequentWidth(const std::vector<Record>& records) {
  std::map<std::size_t, std::size_t> counts;
  for (const Record& record : records) ++counts[record.size()];
  std::pair<std::size_t, std::size_t> best;
  for (const auto& [width, count] : counts) {
    if (count >= best.second) best = {width, count};
  }
  return best;
}

// True of columns whose values below the first row are all numbers.
std::vector<bool> FindNumericColumns(const std::vector<Record>& records, std::size_t num_columns) {
  std::vector<bool> is_numeric(num_columns);
  for (std::size_t column = 0; column < num_columns; ++column) {
    std::size_t num_numbers = 0;
    std::size_t num_texts = 0;
    for (std::size_t row = 1; row < records.size(); ++row) {
      if (records[row].size() != num_columns) continue;
      const std::string_view value = base::Trimmed(records[row][column]);
      if (value.empty()) continue;
      ++(AsNumber(value) ? num_numbers : num_texts);
    }
    is_numeric[column] = num_numbers > 0 && num_texts == 0;
  }
  return is_numeric;
}

bool RecursBelow(const std::vector<Record>& records, std::size_t column) {
  const std::string_view first = base::Trimmed(records[0][column]);
  return std::any_of(records.begin() + 1, records.end(), [&](const Record& record) {
    return column < record.size() && base::Trimmed(record[column]) == first;
  });
}

// A header has a name for each column, other names for other columns, and none of them is a number.
bool MayBeHeader(const Record& record) {
  std::set<std::string_view> names;
  return std::ranges::all_of(record, [&](const std::string& field) {
    const std::string_view name = base::Trimmed(field);
    return !name.empty() && !AsNumber(name) && names.insert(name).second;
  });
}

void DetectHeader(const std::vector<Record>& records, std::string_view label, TableFormat* format) {
  const Record& first = records[0];
  // Whatever else stands there: some programs write no name for a column that counts the rows.
  const auto is_label = [label](std::string_view name) { return base::Trimmed(name) == label; };
  if (first.size() == format->num_columns && !AsNumber(label) &&
      std::ranges::any_of(first, is_label)) {
    format->has_header = true;
    format->why_header = "the first line names the label";
    return;
  }
  if (first.size() != format->num_columns || !MayBeHeader(first)) {
    format->why_header = "the first line holds numbers, empty or repeated values";
    return;
  }
  const std::vector<bool> is_numeric = FindNumericColumns(records, format->num_columns);
  for (std::size_t column = 0; column < is_numeric.size(); ++column) {
    if (!is_numeric[column]) continue;
    format->has_header = true;
    format->why_header = fmt::format("column {} holds numbers but for the first line", column + 1);
    return;
  }
  for (std::size_t column = 0; column < is_numeric.size(); ++column) {
    if (!RecursBelow(records, column)) continue;
    format->why_header =
        fmt::format("the first line's value of column {} stands further below, too", column + 1);
    return;
  }
  format->has_header = records.size() > 1;
  format->why_header = "none of the first line's values stands further below";
}

// A header may have line ends in quotes, and blank lines around it.
std::int64_t LinesBeforeSecondRecord(std::string_view text, char separator) {
  records::CsvReader reader(text, {.separator = separator});
  reader.Next();
  const std::int64_t header_line = reader.line();
  return reader.Next() ? reader.line() : header_line + 1;
}

bool HasBlanks(std::string_view value) {
  return !value.empty() && base::Trimmed(value).size() < value.size();
}

// Whether a column has blanks around nine values of ten.
bool FindBlanks(const std::vector<Record>& records, std::size_t num_columns) {
  for (std::size_t column = 0; column < num_columns; ++column) {
    std::size_t num_values = 0;
    std::size_t num_blank = 0;
    for (const Record& record : records) {
      if (record.size() != num_columns || record[column].empty()) continue;
      ++num_values;
      num_blank += HasBlanks(record[column]) ? 1 : 0;
    }
    if (num_values > 0 && num_blank * 10 >= num_values * 9) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<TableFormat> DetectFormat(std::string_view text, std::optional<bool> has_header,
                                         std::string_view label) {
  TableFormat format;
  std::vector<Record> records;
  std::size_t most_alike = 0;
  for (const char separator : kSeparators) {
    std::vector<Record> candidate = FirstRecords(text, separator);
    const auto [width, num_alike] = MostFrequentWidth(candidate);
    if (width < 2 || num_alike < most_alike ||
        (num_alike == most_alike && width <= format.num_columns)) {
      continue;
    }
    format.separator = separator;
    format.num_columns = width;
    most_alike = num_alike;
    records = std::move(candidate);
  }
  if (records.empty() || most_alike * 2 < records.size()) {
    return base::DataLoss(
        "no separator (comma, tab, semicolon, |) divides most lines into the same number of "
        "columns, two or more: a label and something to tell it from are needed");
  }
  // What stands before the table, as some programs write it, is no part of it.
  if (records[0].size() != format.num_columns && !has_header) {
    return base::DataLoss("the first line has {} columns, most others have {}; remove it",
                          records[0].size(), format.num_columns);
  }
  if (has_header) {
    format.has_header = *has_header;
    format.why_header = "so --header says";
  } else {
    DetectHeader(records, label, &format);
  }
  if (format.has_header) {
    for (const std::string& name : records[0]) format.header.emplace_back(base::Trimmed(name));
    format.header.resize(format.num_columns);
    format.header_lines = LinesBeforeSecondRecord(text, format.separator);
    records.erase(records.begin());
  }
  format.has_blanks = FindBlanks(records, format.num_columns);
  return format;
}

std::string_view SeparatorName(char separator) {
  switch (separator) {
    case ',':
      return "comma";
    case '\t':
      return "tab";
    case ';':
      return "semicolon";
    default:
      return "vertical bar";
  }
}

}  // namespace dime::cli
