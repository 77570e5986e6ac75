// models/internal/column_steps.h - what each kind of column makes of a value: the one place for it,
// wherever the value came from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "models/internal/encoder_plan.h"

namespace dime::models::internal {

// Ids are in [0, num_ids), -1 for a value outside the vocabulary, kMissing for no value at all. A
// cross takes the -1 as a value, but a missing one leaves no cross. Both are -1 in a Batch.
inline constexpr std::int64_t kMissing = -2;

// The values of a block of records, by the plan's slots.
struct ColumnBlock {
  static constexpr std::size_t kMaxRecords = 256;

  explicit ColumnBlock(const EncoderPlan& plan);

  std::size_t num_records = 0;  // So many values at the start of each vector are in use.
  std::vector<std::vector<float>> numbers;
  std::vector<std::vector<std::uint64_t>> fingerprints;  // Of texts, where the plan needs them.
  std::vector<std::vector<std::int64_t>> ids;
  std::vector<float> labels;
  std::vector<float> weights;          // Of the records, where the plan has a weight field.
  std::vector<std::int64_t> text_ids;  // Of one text, by its field's steps.
};

// A text's id. `fingerprint` is the text's where the plan needs it.
[[nodiscard]] std::int64_t IdOfText(const VocabularyStep& step, std::string_view text,
                                    std::uint64_t fingerprint);
[[nodiscard]] std::int64_t IdOfText(const HashStep& step, std::string_view text,
                                    std::uint64_t fingerprint);

// Fills in the text's fingerprint, if the plan needs it, and an id for each of the field's steps.
void RunTextSteps(const TextField& field, std::string_view text, std::uint64_t* fingerprint,
                  std::int64_t* ids);

// How many of the ascending boundaries are not above the number.
[[nodiscard]] std::int64_t BucketOf(float number, std::span<const float> boundaries);

[[nodiscard]] float Normalized(const Normalizer& normalizer, float number);

// Fills in the step's ids or numbers for all records of the block.
void RunDerivedStep(const DerivedStep& step, ColumnBlock* block);

}  // namespace dime::models::internal
