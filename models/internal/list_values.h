// models/internal/list_values.h - the lists of one record: from its fields to ids and numbers.
//
// Threads: one at a time. Keeps its memory from record to record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/batch.h"
#include "models/internal/column_steps.h"
#include "models/internal/encoder_plan.h"
#include "models/record_encoder.h"

namespace dime::models::internal {

class RecordLists {
 public:
  explicit RecordLists(const EncoderPlan& plan);  // Which outlives this object.

  // Takes the values of plan.lists[list]. Gives what is wrong with them, if anything is.
  std::optional<std::string> Read(std::size_t list, const FieldValue& value);

  // Makes all other lists. `block` holds the same record, alone, with its derived steps run.
  std::optional<RecordError> RunSteps(const ColumnBlock& block);

  // Appends the record's ids to a column of a batch, or its numbers.
  void Append(const EncoderPlan::IdOutput& output, IdColumn* column) const;
  void Append(const EncoderPlan::FloatOutput& output, FloatColumn* column) const;

 private:
  // What a field's values are to those who ask for it.
  struct Values {
    std::vector<float> numbers;
    std::vector<std::uint64_t> keys;  // Of crosses: fingerprints, or integers as they are.
    std::vector<bool> is_missing;
  };
  // What one key of a cross takes of the record.
  using KeyValues = std::vector<std::uint64_t>;

  std::optional<std::string> ReadText(const ListField& field, std::string_view text, Values* out);
  std::optional<std::string> ReadItems(const ListField& field, const FieldValue& value,
                                       Values* out);
  std::optional<std::string> AddText(const ListField& field, std::string_view text, Values* out);
  std::optional<std::string> AddNumber(const ListField& field, double number, Values* out);
  std::optional<std::string> AddItem(const ListField& field, std::string_view text,
                                     std::int64_t integer, Values* out);

  std::optional<RecordError> Run(const ListBucketizeStep& step, const ColumnBlock& block);
  std::optional<RecordError> Run(const ListCrossStep& step, const ColumnBlock& block);
  void TakeKey(const ListCrossStep::Key& key, const ColumnBlock& block, KeyValues* values) const;
  std::optional<RecordError> CheckWeights() const;

  const EncoderPlan& plan_;
  std::vector<Values> values_;                  // Parallel to plan.lists.
  std::vector<std::vector<std::int64_t>> ids_;  // By list slots.
  std::vector<KeyValues> keys_;                 // Of one cross.
  std::vector<std::uint64_t> hashes_;
};

}  // namespace dime::models::internal
