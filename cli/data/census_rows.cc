#include "cli/data/census_rows.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "runtime/records/csv.h"

namespace dime::cli {
namespace {

struct Column {
  std::string_view name;  // Empty: the model does not read it.
  bool is_number = false;
};

constexpr std::array kColumns = std::to_array<Column>({{"age", true},
                                                       {"workclass"},
                                                       {""},  // fnlwgt, the census' weight.
                                                       {"education"},
                                                       {"education_num", true},
                                                       {"marital_status"},
                                                       {"occupation"},
                                                       {"relationship"},
                                                       {"race"},
                                                       {"gender"},
                                                       {"capital_gain", true},
                                                       {"capital_loss", true},
                                                       {"hours_per_week", true},
                                                       {"native_country"},
                                                       {""}});  // income, the label.

absl::StatusOr<std::string> NumberAsJson(std::string_view field) {
  field.remove_prefix(std::min(field.find_first_not_of(' '), field.size()));
  const bool is_number =
      !field.empty() && field.find_first_not_of("0123456789") == std::string_view::npos;
  if (!is_number) return base::DataLoss("'{}' is not a number", field);
  return std::string(field);
}

std::string TextAsJson(std::string_view field) {
  constexpr int kNoIndent = -1;
  return nlohmann::json(field).dump(kNoIndent, ' ', /*ensure_ascii=*/false,
                                    nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string NormaliseCensusRows(std::string_view text, std::int64_t max_rows) {
  std::string rows;
  rows.reserve(text.size() + 1);
  for (std::int64_t num_rows = 0; !text.empty() && num_rows < max_rows;) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('|')) continue;
    if (line.ends_with('.')) line.remove_suffix(1);
    rows += line;
    rows += '\n';
    ++num_rows;
  }
  return rows;
}

std::string_view FirstRows(std::string_view rows, std::int64_t num_rows) {
  std::size_t end = 0;
  for (; num_rows > 0 && end < rows.size(); --num_rows) {
    end = std::min(rows.find('\n', end), rows.size() - 1) + 1;
  }
  return rows.substr(0, end);
}

absl::StatusOr<std::string> FirstRowAsJson(std::string_view rows) {
  records::CsvReader reader(rows, {});
  if (!reader.Next() || reader.fields().size() != kColumns.size()) {
    return base::DataLoss("the first row of the census data has not {} fields", kColumns.size());
  }
  std::string json = "{";
  for (std::size_t i = 0; i < kColumns.size(); ++i) {
    if (kColumns[i].name.empty()) continue;
    std::string value;
    if (kColumns[i].is_number) {
      DIME_ASSIGN_OR_RETURN(value, NumberAsJson(reader.fields()[i]));
    } else {
      value = TextAsJson(reader.fields()[i]);
    }
    json += fmt::format("{}\"{}\": {}", json.size() == 1 ? "" : ", ", kColumns[i].name, value);
  }
  return json + "}\n";
}

}  // namespace dime::cli
