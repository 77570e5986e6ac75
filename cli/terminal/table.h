// cli/terminal/table.h - aligned columns, two blanks apart.
#pragma once

#include <string>
#include <vector>

namespace dime::cli {

using TableRow = std::vector<std::string>;

// Each row as a line; no blanks at the end of one.
[[nodiscard]] std::string FormatTable(const std::vector<TableRow>& rows);

}  // namespace dime::cli
