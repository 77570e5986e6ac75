// cli/data/census_rows.h - the text of the census data: from the forms in which it is published to
// the one that the sample's users know.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace dime::cli {

// The first `max_rows` rows of `text`, a line feed after each: without blank lines, without UCI's
// `|1x3 Cross validator` line, and without the full stop behind the labels of its test set.
[[nodiscard]] std::string NormaliseCensusRows(std::string_view text, std::int64_t max_rows);

// The first `num_rows` lines of `rows`.
[[nodiscard]] std::string_view FirstRows(std::string_view rows, std::int64_t num_rows);

// The first row of `rows` as an instance for prediction: a JSON object of the 13 columns that the
// model reads, on one line. kDataLoss when the row has not 15 fields, or text where a number is
// needed.
absl::StatusOr<std::string> FirstRowAsJson(std::string_view rows);

}  // namespace dime::cli
