#include "models/internal/row_columns.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string_view>

#include "models/internal/field_values.h"

namespace dime::models::internal {
namespace {

FieldValue AsValue(std::string_view text) {
  return {.text = text, .number = std::nullopt, .present = true};
}

// Reads 1 to 8 digits, perhaps after one blank; false for anything else. 8 bytes of the text may be
// read whatever its size. The digits are added up two, four and eight at a time.
bool ReadDigits(std::string_view text, float* out) {
  const std::size_t blank = !text.empty() && text.front() == ' ' ? 1 : 0;
  const std::size_t size = text.size() - blank;
  if (std::endian::native != std::endian::little || size - 1 >= 8) return false;
  std::uint64_t digits = 0;
  std::memcpy(&digits, text.data() + blank, sizeof(digits));
  digits = (digits ^ 0x3030303030303030) << (64 - 8 * size);  // Leading zeros come in.
  if (((digits | (digits + 0x7676767676767676)) & 0x8080808080808080) != 0) return false;
  digits = digits * 10 + (digits >> 8);
  digits = ((digits & 0x000000ff000000ff) * 0x000f424000000064 +
            ((digits >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
           32;
  *out = static_cast<float>(static_cast<std::int32_t>(digits));
  return true;
}

}  // namespace

RowColumns::RowColumns(const EncoderPlan& plan) : plan_(plan), label_memo_(1) {
  for (const TextField& field : plan.texts) {
    memos_.emplace_back(field.steps.size());
    id_columns_.resize(std::max(id_columns_.size(), field.steps.size()));
  }
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
    ReadTexts(rows, plan_.texts[t], &memos_[t], block->fingerprints[t].data(), block);
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
  const std::size_t num_rows = rows.num_rows();
  for (std::size_t r = 0; r < num_rows; ++r) {
    const std::string_view text = column[r];
    if (ReadDigits(text, &out[r])) continue;
    if (ReadNumber(field, AsValue(text), plan_.trim_blanks, &out[r])) is_wrong_[r] = true;
  }
}

void RowColumns::ReadTexts(const records::TextRows& rows, const TextField& field, TextMemo* memo,
                           std::uint64_t* fingerprints, ColumnBlock* block) {
  const auto make = [this, &field](std::string_view text, std::uint64_t* fingerprint,
                                   std::int64_t* ids) {
    RunTextSteps(field, TextValue(field, text, plan_.trim_blanks), fingerprint, ids);
  };
  const auto column = rows.column(static_cast<std::size_t>(field.position));
  const std::size_t num_rows = rows.num_rows();
  const std::size_t num_ids = field.ids.size();
  std::int64_t** const outs = id_columns_.data();
  for (std::size_t i = 0; i < num_ids; ++i) {
    outs[i] = block->ids[static_cast<std::size_t>(field.ids[i])].data();
  }
  const bool look_up = memo->StartBlock(num_rows);
  for (std::size_t r = 0; r < num_rows; ++r) {
    const std::size_t slot =
        look_up ? memo->Find(column[r], make) : memo->MakeAnew(column[r], make);
    fingerprints[r] = memo->fingerprint(slot);
    for (std::size_t i = 0; i < num_ids; ++i) outs[i][r] = memo->ids(slot)[i];
  }
}

void RowColumns::ReadWeights(const records::TextRows& rows, float* out) {
  const NumberField& field = *plan_.label.weight;
  ReadNumbers(rows, field, out);
  const auto column = rows.column(static_cast<std::size_t>(field.position));
  for (std::size_t r = 0; r < rows.num_rows(); ++r) {
    if (out[r] > 0) continue;
    if (ReadWeight(field, AsValue(column[r]), plan_.trim_blanks, &out[r])) is_wrong_[r] = true;
  }
}

void RowColumns::ReadLabels(const records::TextRows& rows, float* out) {
  const LabelPlan& label = plan_.label;
  const auto column = rows.column(static_cast<std::size_t>(label.number.position));
  // What a text stands for is remembered as a class; of a number each is read.
  const auto make = [&](std::string_view text, std::uint64_t*, std::int64_t* ids) {
    float value = 0;
    const bool is_wrong = ReadLabel(label, AsValue(text), plan_.trim_blanks, &value).has_value();
    *ids = is_wrong ? kMissing : static_cast<std::int64_t>(value);
  };
  for (std::size_t r = 0; r < rows.num_rows(); ++r) {
    const std::string_view text = column[r];
    if (label.is_text) {
      const std::int64_t id = *label_memo_.ids(label_memo_.Find(text, make));
      out[r] = static_cast<float>(id);
      is_wrong_[r] |= id < 0;
    } else if (ReadLabel(label, AsValue(text), plan_.trim_blanks, &out[r])) {
      is_wrong_[r] = true;
    }
  }
}

}  // namespace dime::models::internal
