// models/internal/text_memo.h - remembers what the texts of one field were turned into.
//
// Most fields of records hold few different texts, again and again: finding what was made of one
// takes less than hashing it. Texts of many values are made anew; where most are, nothing is looked
// up for some time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/internal/column_steps.h"
#include "models/internal/encoder_plan.h"
#include "runtime/records/row_values.h"
#include "runtime/records/text_rows.h"

namespace dime::models::internal {

class TextMemo {
 public:
  // `plan` and `field`, one of its, outlive this object.
  TextMemo(const EncoderPlan& plan, const TextField& field);

  // Fills in each row's fingerprint (if the plan needs it) and ids, one array for each of the
  // field's steps.
  void Read(const records::TextRows::Column& column, std::uint64_t* fingerprints,
            const std::vector<std::int64_t*>& ids);

 private:
  static constexpr std::size_t kNumSlots = records::TextTable::kNumSlots;
  static constexpr int kPausedBlocks = 32;

  void MakeAll(const records::TextRows::Column& column, std::uint64_t* fingerprints,
               const std::vector<std::int64_t*>& ids);
  void Make(std::string_view text, std::size_t slot);
  void RunSteps(std::string_view text, std::uint64_t* fingerprint);  // Sets made_.
  void Copy(std::size_t row, std::size_t end, std::uint64_t* fingerprints,
            const std::vector<std::int64_t*>& ids) const;

  const EncoderPlan& plan_;
  const TextField& field_;
  records::TextTable texts_;
  // By slot, the last one for what is not in the table.
  std::vector<std::uint64_t> fingerprints_ = std::vector<std::uint64_t>(kNumSlots + 1);
  std::vector<std::vector<std::int64_t>> ids_;  // By step.
  std::vector<std::int64_t> made_;              // One text's ids.
  std::array<std::uint16_t, ColumnBlock::kMaxRecords> slots_ = {};
  int pause_ = 0;  // So many blocks are not looked up.
};

}  // namespace dime::models::internal
