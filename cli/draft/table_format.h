// cli/draft/table_format.h - how a text file holds its table: separator, header, blanks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace dime::cli {

struct TableFormat {
  char separator = ',';
  std::size_t num_columns = 0;
  bool has_header = false;
  std::int64_t header_lines = 0;    // That the header takes, blank ones included.
  std::string why_header;           // What speaks for or against a header.
  std::vector<std::string> header;  // The names in it, without blanks around them; may be empty.
  bool has_blanks = false;          // Around values: nearly all values of some column have some.
};

// Finds out from the first records of `text`. `has_header` is the user's word; a first line that
// names the `label` is a header. kDataLoss when there
// are no records of two columns or more.
absl::StatusOr<TableFormat> DetectFormat(std::string_view text, std::optional<bool> has_header,
                                         std::string_view label);

// "comma", "tab", ...
[[nodiscard]] std::string_view SeparatorName(char separator);

}  // namespace dime::cli
