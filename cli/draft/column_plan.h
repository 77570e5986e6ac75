// cli/draft/column_plan.h - what is to be made of each column: rules of thumb, and their reasons.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/draft/column_profile.h"
#include "runtime/base/status.h"

namespace dime::cli {

enum class Use {
  kSkipped,
  kLabel,
  kNumber,      // As it is in the deep part, and in buckets in the wide one.
  kBuckets,     // In buckets in both.
  kVocabulary,  // A list of values, one-hot in the deep part.
  kHash,        // Hashed; embedded in the deep part.
};

struct ColumnPlan {
  std::string name;                // Of the field; unique, and one that descriptions allow.
  std::string type;                // "integer", "float" or "string", as the field has it.
  std::string default_value = {};  // "" where nothing is missing.
  Use use = Use::kSkipped;
  std::string why = {};

  std::vector<float> boundaries = {};        // kNumber (may be empty), kBuckets.
  std::vector<std::string> vocabulary = {};  // kVocabulary; kLabel where it has one.
  std::int64_t num_classes = 0;              // kLabel: of numbers 0, 1, ...
  std::int64_t num_buckets = 0;              // kHash.
  std::int64_t dimension = 0;                // kHash.
};

// Names for the columns: those of the header, or column_1, column_2, ...
[[nodiscard]] std::vector<std::string> NameColumns(const TableFormat& format);

// What a feature is made of a column.
[[nodiscard]] ColumnPlan PlanFeature(const ColumnProfile& column, const std::string& name);
// The classes or the number that is to be foretold. kOutOfRange where there is nothing to tell
// apart.
absl::StatusOr<ColumnPlan> PlanLabel(const ColumnProfile& column, const std::string& name);

}  // namespace dime::cli
