// cli/draft/draft.h - a first description of a model, made from data.
//
// Every choice is a rule of thumb that the page and the report give a reason for: a person is to
// look at them. The page is one that models::ParseDescription() reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace dime::cli {

struct DraftOptions {
  std::string label;  // A column's name, or its number from 1 on.
  std::int64_t sample_rows = 100'000;
  std::optional<bool> has_header = {};  // Found out where nothing is said.
};

// One column of the data, as the report shows it.
struct DraftedColumn {
  std::string name;
  std::string type;     // "integer", "string, 9 values"
  std::string missing;  // "", "5.6 %"
  std::string used_as;  // "vocabulary_list, indicator"
  std::string why;
};

struct Draft {
  std::string page;                   // YAML.
  std::vector<std::string> findings;  // About the file as a whole, a sentence each.
  std::vector<DraftedColumn> columns;
};

// kInvalidArgument: no column is called as the label is; the nearest name is suggested. kDataLoss
// and kOutOfRange: the data are no table, or hold nothing to learn from.
absl::StatusOr<Draft> MakeDraft(const std::string& path, const DraftOptions& options);

}  // namespace dime::cli
