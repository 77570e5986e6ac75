#include "models/internal/text_memo.h"

#include "models/internal/field_values.h"

namespace dime::models::internal {

TextMemo::TextMemo(const EncoderPlan& plan, const TextField& field)
    : plan_(plan),
      field_(field),
      ids_(field.steps.size(), std::vector<std::int64_t>(kNumSlots + 1)),
      made_(field.steps.size()) {}

void TextMemo::Read(const records::TextRows::Column& column, std::uint64_t* fingerprints,
                    const std::vector<std::int64_t*>& ids) {
  if (pause_ > 0) return MakeAll(column, fingerprints, ids);
  std::size_t num_made = 0;
  for (std::size_t row = 0; row < column.num_rows(); ++row, ++num_made) {
    const std::size_t end = texts_.Match(column, row, slots_.data());
    Copy(row, end, fingerprints, ids);  // Before one of their slots is taken by the next text.
    row = end;
    if (row == column.num_rows()) break;
    if (slots_[row] < kNumSlots) texts_.Put(column[row], slots_[row]);
    Make(column[row], slots_[row]);
    Copy(row, row + 1, fingerprints, ids);
  }
  if (num_made > column.num_rows() / 2) pause_ = kPausedBlocks;
}

void TextMemo::MakeAll(const records::TextRows::Column& column, std::uint64_t* fingerprints,
                       const std::vector<std::int64_t*>& ids) {
  --pause_;
  std::uint64_t fingerprint = 0;
  for (std::size_t r = 0; r < column.num_rows(); ++r) {
    RunSteps(column[r], &fingerprint);
    if (field_.needs_fingerprint) fingerprints[r] = fingerprint;
    for (std::size_t s = 0; s < made_.size(); ++s) ids[s][r] = made_[s];
  }
}

void TextMemo::RunSteps(std::string_view text, std::uint64_t* fingerprint) {
  const std::string_view value = TextValue(field_, WithoutMissing(plan_, text), plan_.trim_blanks);
  RunTextSteps(field_, value, fingerprint, made_.data());
}

void TextMemo::Make(std::string_view text, std::size_t slot) {
  RunSteps(text, &fingerprints_[slot]);
  for (std::size_t s = 0; s < made_.size(); ++s) ids_[s][slot] = made_[s];
}

void TextMemo::Copy(std::size_t row, std::size_t end, std::uint64_t* fingerprints,
                    const std::vector<std::int64_t*>& ids) const {
  if (field_.needs_fingerprint) {
    for (std::size_t r = row; r < end; ++r) fingerprints[r] = fingerprints_[slots_[r]];
  }
  for (std::size_t s = 0; s < ids_.size(); ++s) {
    const std::int64_t* const known = ids_[s].data();
    std::int64_t* const out = ids[s];
    for (std::size_t r = row; r < end; ++r) out[r] = known[slots_[r]];
  }
}

}  // namespace dime::models::internal
