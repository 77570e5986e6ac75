// models/internal/row_columns.h - the fast way from rows of text to columns: a field of all rows at
// a time, with short cuts for what nearly all values look like.
//
// A short cut gives what field_values.h and RunTextSteps() give; what it does not know goes there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/internal/column_steps.h"
#include "models/internal/encoder_plan.h"
#include "models/internal/text_memo.h"
#include "runtime/records/text_rows.h"

namespace dime::models::internal {

class RowColumns {
 public:
  explicit RowColumns(const EncoderPlan& plan);  // Which outlives this object.

  // Fills `block` with the rows' numbers, fingerprints, ids of text steps and, if asked for,
  // labels and weights. Returns which rows have a wrong value, in order; the block has no sense
  // there.
  const std::vector<std::size_t>& Read(const records::TextRows& rows, LabelUse label,
                                       ColumnBlock* block);

 private:
  void ReadNumbers(const records::TextRows& rows, const NumberField& field, float* out);
  void ReadTexts(const records::TextRows& rows, std::size_t text, ColumnBlock* block);
  void ReadLabels(const records::TextRows& rows, float* out);
  void ReadClasses(const records::TextRows::Column& column, float* out);
  void ReadWeights(const records::TextRows& rows, float* out);

  const EncoderPlan& plan_;
  std::vector<TextMemo> memos_;  // Parallel to plan.texts.
  TextMemo label_memo_;
  const bool digits_may_be_missing_;       // 0, -999 and the like stand for none.
  std::vector<std::int64_t*> id_columns_;  // Where the ids of one text field go.
  std::array<std::int64_t, ColumnBlock::kMaxRecords> classes_ = {};
  std::array<bool, ColumnBlock::kMaxRecords> is_other_ = {};
  std::array<float, ColumnBlock::kMaxRecords> unused_ = {};
  std::array<bool, ColumnBlock::kMaxRecords> is_wrong_ = {};
  std::vector<std::size_t> wrong_rows_;
};

}  // namespace dime::models::internal
