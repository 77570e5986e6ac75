#include "models/internal/row_columns.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "models/internal/field_values.h"
#include "runtime/records/row_values.h"

namespace dime::models::internal {
namespace {

FieldValue AsValue(const EncoderPlan& plan, std::string_view text) {
  return {.text = WithoutMissing(plan, text), .number = std::nullopt, .present = true};
}

bool AnyHasDigits(const std::vector<std::string>& texts) {
  return std::ranges::any_of(
      texts, [](const std::string& text) { return text.find_first_of("0123456789") != text.npos; });
}

}  // namespace

RowColumns::RowColumns(const EncoderPlan& plan)
    : plan_(plan),
      label_memo_(plan, plan.label.text),
      digits_may_be_missing_(AnyHasDigits(plan.missing_values)) {
  for (const TextField& field : plan.texts) memos_.emplace_back(plan, field);
}

const std::vector<std::size_t>& RowColumns::Read(const records::TextRows& rows, LabelUse label,
                                                 ColumnBlock* block) {
  block->num_records = rows.num_rows();
  is_wrong_.fill(false);
  for (std::size_t n = 0; n < plan_.numbers.size(); ++n) {
    ReadNumbers(rows, plan_.numbers[n], block->numbers[n].data());
  }
  for (const NumberField& field : plan_.unused_numbers) ReadNumbers(rows, field, unused_.data());
  for (std::size_t t = 0; t < plan_.texts.size(); ++t) {
    ReadTexts(rows, t, block);
  }
  if (label == LabelUse::kRequired) {
    ReadLabels(rows, block->labels.data());
    if (plan_.label.weight) ReadWeights(rows, block->weights.data());
  }
  wrong_rows_.clear();
  for (std::size_t r = 0; r < rows.num_rows(); ++r) {
    if (is_wrong_[r]) wrong_rows_.push_back(r);
  }
  return wrong_rows_;
}

void RowColumns::ReadNumbers(const records::TextRows& rows, const NumberField& field, float* out) {
  const auto column = rows.column(static_cast<std::size_t>(field.position));
  records::ReadDigits(column, out, is_other_.data());
  for (std::size_t r = 0; r < column.num_rows(); ++r) {
    if (!is_other_[r] && !digits_may_be_missing_) continue;
    if (ReadNumber(field, AsValue(plan_, column[r]), plan_.trim_blanks, &out[r]))
      is_wrong_[r] = true;
  }
}

void RowColumns::ReadTexts(const records::TextRows& rows, std::size_t text, ColumnBlock* block) {
  const TextField& field = plan_.texts[text];
  id_columns_.clear();
  for (const int ids : field.ids) {
    id_columns_.push_back(block->ids[static_cast<std::size_t>(ids)].data());
  }
  memos_[text].Read(rows.column(static_cast<std::size_t>(field.position)),
                    block->fingerprints[text].data(), id_columns_);
}

void RowColumns::ReadWeights(const records::TextRows& rows, float* out) {
  const NumberField& field = *plan_.label.weight;
  ReadNumbers(rows, field, out);
  const auto column = rows.column(static_cast<std::size_t>(field.position));
  for (std::size_t r = 0; r < rows.num_rows(); ++r) {
    if (out[r] > 0) continue;
    if (ReadWeight(field, AsValue(plan_, column[r]), plan_.trim_blanks, &out[r]))
      is_wrong_[r] = true;
  }
}

void RowColumns::ReadLabels(const records::TextRows& rows, float* out) {
  const LabelPlan& label = plan_.label;
  const auto column = rows.column(static_cast<std::size_t>(label.number.position));
  if (label.is_text) return ReadClasses(column, out);
  for (std::size_t r = 0; r < column.num_rows(); ++r) {
    if (ReadLabel(label, AsValue(plan_, column[r]), plan_.trim_blanks, &out[r]))
      is_wrong_[r] = true;
  }
}

void RowColumns::ReadClasses(const records::TextRows::Column& column, float* out) {
  id_columns_.assign(1, classes_.data());
  label_memo_.Read(column, nullptr, id_columns_);
  for (std::size_t r = 0; r < column.num_rows(); ++r) {
    is_wrong_[r] |= classes_[r] < 0;
    out[r] = static_cast<float>(classes_[r]);
  }
}

}  // namespace dime::models::internal
