// cli/draft/draft_page.h - plans of columns, written down as a page of YAML with comments.
#pragma once

#include <string>
#include <vector>

#include "cli/draft/column_plan.h"
#include "cli/draft/table_format.h"

namespace dime::cli {

struct PageSource {
  std::string data;    // The file's name.
  std::string sample;  // "the first 100000 rows"
};

// At least one of the plans is a feature, and one the label.
[[nodiscard]] std::string FormatDraftPage(const PageSource& source, const TableFormat& format,
                                          const std::vector<ColumnPlan>& plans);

// The columns that are made of a plan's field: "age: {kind: numeric}" and such by name, and the
// part of the model that each is for.
struct MadeColumn {
  std::string name;
  std::string value;
  bool is_wide = false;
  bool is_deep = false;
};
[[nodiscard]] std::vector<MadeColumn> MadeColumns(const ColumnPlan& plan);

}  // namespace dime::cli
